import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Ratio, Schema, Target
from domain.errors import ArtefactRejected, InvalidData
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.scoring.explanation import FeatureContributions, shares
from tests.support.strategies import schemas

SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("north", Kind.NUMBER),
        Feature("place", Kind.CATEGORY, categories=("sea", "land")),
        Feature("east", Kind.NUMBER),
        Feature("rooms", Kind.NUMBER),
        Feature("new", Kind.BOOLEAN),
    ),
    (Ratio("crowd", "rooms", "north"),),
    Coordinates("north", "east"),
)


def _spatial() -> FeatureEncoding:
    random = np.random.default_rng(0)
    matrix = random.uniform(1, 9, (50, 5))
    matrix[:, 1] = matrix[:, 4] = 1.0
    return FeatureEncoding.fit_transform(
        FeatureSet.SPATIAL, SCHEMA, matrix, random.normal(0, 1, 50)
    )[0]


@given(schemas())
def test_every_column_is_shared_out_to_features_and_whole(schema: Schema) -> None:
    encoding = FeatureEncoding.fit(schema, np.ones((3, len(schema.features))))
    parts = shares(encoding)
    assert parts.shape == (len(encoding.names), len(schema.features))
    assert np.all(parts >= 0)
    assert np.sum(parts, axis=1) == pytest.approx(1)


def test_columns_belong_to_the_features_they_are_made_of() -> None:
    encoding = _spatial()
    by_name = dict(zip(encoding.names, shares(encoding).tolist(), strict=True))
    assert len(by_name) == len(encoding.names)
    assert by_name["rooms"] == [0, 0, 0, 1, 0]
    assert by_name["place=land"] == [0, 1, 0, 0, 0]
    assert by_name["new"] == [0, 0, 0, 0, 1]
    assert by_name["crowd"] == [0.5, 0, 0, 0.5, 0]
    assert by_name["distance to neighbour 5"] == [0.5, 0, 0.5, 0, 0]
    assert by_name["price, weighted mean of 10 nearest"] == [0.5, 0, 0.5, 0, 0]
    assert by_name["rooms, weighted mean of 30 nearest"] == [0.5, 0, 0.5, 0, 0]
    assert by_name["price of 30 nearest, by rooms"] == [0.25, 0, 0.25, 0.5, 0]
    assert by_name["price of 30 nearest, along rooms"] == [0.25, 0, 0.25, 0.5, 0]
    assert by_name["price of 30 nearest, by crowd"] == [0.5, 0, 0.25, 0.25, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.floats(-1e6, 1e6))
def test_what_adds_up_is_accepted_and_what_misses_is_not(parts: list[float], base: float) -> None:
    contributions = np.array([parts])
    sums = base + contributions.sum(axis=1)
    FeatureContributions(base, contributions).require_sum(sums, SCHEMA.target)
    size = abs(base) + np.abs(contributions).sum() + 1
    with pytest.raises(ArtefactRejected, match=r"contributions miss the prediction by up to"):
        FeatureContributions(base, contributions).require_sum(sums + 1e-6 * size, SCHEMA.target)


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e308])
def test_a_sum_that_is_no_number_is_refused(odd: float) -> None:
    with pytest.raises(InvalidData, match=r"too extreme to be explained"):
        FeatureContributions(odd, np.array([[odd, 1.0]])).require_sum(
            np.array([1.0]), SCHEMA.target
        )


def test_no_rows_add_up() -> None:
    FeatureContributions(1.0, np.empty((0, 3))).require_sum(np.empty(0), SCHEMA.target)
