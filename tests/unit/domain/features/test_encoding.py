import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Matrix, Ratio, Schema, Target
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.features.neighbour_parameters import CURRENT
from domain.features.neighbour_statistics import NEIGHBOURS, NeighbourStatistics
from tests.support.strategies import records, schemas

NAN = float("nan")
SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("rooms", Kind.NUMBER, nullable=True),
        Feature("place", Kind.CATEGORY, categories=("sea", "land"), nullable=True),
        Feature("people", Kind.INTEGER, nullable=True),
        Feature("new", Kind.BOOLEAN, nullable=True),
    ),
    (Ratio("crowding", "people", "rooms"),),
)

TOWN = Schema(
    "town",
    Target("price"),
    (
        Feature("north", Kind.NUMBER, nullable=True),
        Feature("rooms", Kind.INTEGER),
        Feature("view", Kind.CATEGORY, categories=("sea", "land")),
        Feature("east", Kind.NUMBER),
    ),
    (Ratio("rooms_per_degree", "rooms", "east"),),
    Coordinates(latitude="north", longitude="east"),
)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Schema, Matrix]:
    schema = draw(schemas())
    return schema, schema.encode_records(draw(records(schema, min_size=1, max_size=12)))


def test_columns_are_numbers_then_indicators_then_ratios() -> None:
    training = np.array([[2, 0, 8, 1], [4, 1, 2, 0], [NAN, 0, 9, 0]])
    encoding = FeatureEncoding.fit(SCHEMA, training)
    assert encoding.names == ("rooms", "people", "new", "place=sea", "place=land", "crowding")
    assert encoding.fill == {"rooms": 3.0, "people": 8.0, "new": 0.0, "crowding": 2.25}
    rows = np.array([[2, 1, 5, 1], [NAN, NAN, NAN, NAN], [0, 0, 7, 0]])
    assert encoding.transform(rows).tolist() == [
        [2.0, 5.0, 1.0, 0.0, 1.0, 2.5],
        [3.0, 8.0, 0.0, 0.0, 0.0, 2.25],
        [0.0, 7.0, 0.0, 1.0, 0.0, 2.25],
    ]


@pytest.mark.parametrize(
    ("people", "rooms"), [(1, 0), (0, 0), (-1, 0), (1e308, 1e-308), (1, 5e-324)]
)
def test_an_undefined_ratio_is_the_median_ratio_of_the_training_rows(
    people: float, rooms: float
) -> None:
    encoding = FeatureEncoding.fit(SCHEMA, np.array([[1.0, 0, 4, 1], [1, 0, 6, 1]]))
    assert encoding.transform(np.array([[rooms, 0.0, people, 0]]))[0, -1] == 5.0


def test_a_column_without_any_value_is_filled_with_zero() -> None:
    encoding = FeatureEncoding.fit(SCHEMA, np.full((3, 4), NAN))
    assert encoding.transform(np.full((1, 4), NAN)).tolist() == [[0.0] * 6]


@given(matrices())
def test_a_row_has_the_same_columns_alone_and_among_others(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    encoding = FeatureEncoding.fit(schema, matrix)
    together = encoding.transform(matrix)
    alone = [encoding.transform(matrix[row : row + 1]).tobytes() for row in range(len(matrix))]
    assert [row.tobytes() for row in together] == alone


@given(matrices())
def test_the_result_is_finite_and_the_input_unchanged(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    before = matrix.tobytes()
    encoded = FeatureEncoding.fit(schema, matrix).transform(matrix)
    assert np.isfinite(encoded).all()
    assert encoded.dtype == np.float64
    assert matrix.tobytes() == before


@given(matrices())
def test_every_column_follows_its_rule(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    encoding = FeatureEncoding.fit(schema, matrix)
    column = dict(zip(encoding.names, encoding.transform(matrix).T, strict=True))
    for position, feature in enumerate(schema.features):
        cells = matrix[:, position]
        if feature.kind is not Kind.CATEGORY:
            expected = np.where(np.isnan(cells), encoding.fill[feature.name], cells)
            assert column[feature.name].tolist() == expected.tolist()
    for ratio in schema.ratios:
        parts = [schema.names.index(name) for name in (ratio.numerator, ratio.denominator)]
        known = [bool(d) and not np.isnan(n + d) for n, d in matrix[:, parts].tolist()]
        quotients = [
            n / d if ok else encoding.fill[ratio.name]
            for (n, d), ok in zip(matrix[:, parts].tolist(), known, strict=True)
        ]
        within = [abs(quotient) < 1e300 for quotient in quotients]
        found = column[ratio.name].tolist()
        assert [q for q, ok in zip(found, within, strict=True) if ok] == [
            q for q, ok in zip(quotients, within, strict=True) if ok
        ]


@given(matrices())
def test_an_encoding_is_read_back_from_its_files(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    encoding = FeatureEncoding.fit(schema, matrix)
    again = FeatureEncoding.from_files(schema, encoding.to_files())
    assert again == encoding
    assert again.transform(matrix).tobytes() == encoding.transform(matrix).tobytes()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"columns": ["rooms"]}, "the columns are not those of the schema"),
        ({"columns": "rooms"}, "columns: expected a list"),
        ({"fill": []}, "fill: expected a table"),
        ({"fill": {"rooms": 1.0}}, "fill: the names are not those of the schema"),
        ({"fill": {"rooms": "1"}}, "fill: rooms: expected a number"),
        ({"fill": {"rooms": True}}, "fill: rooms: expected a number"),
        ({"fill": {"rooms": 10**400}}, "fill: rooms: expected a number"),
        (
            {"fill": {"rooms": 1, "people": 1, "new": 1, "crowding": 1, "odd": 1}},
            "fill: the names are not those of the schema",
        ),
    ],
)
def test_an_encoding_of_another_schema_is_rejected(change: dict[str, Any], why: str) -> None:
    files = FeatureEncoding.fit(SCHEMA, np.ones((1, 4))).to_files()
    changed = {**json.loads(files[ENCODING]), **change}
    with pytest.raises(ArtefactRejected) as error:
        FeatureEncoding.from_files(SCHEMA, {ENCODING: json.dumps(changed).encode()})
    assert str(error.value).startswith("features.json: ")
    assert why in str(error.value)


def _town(rows: int = 50) -> Matrix:
    random = np.random.default_rng(0)
    return np.column_stack(
        [
            random.normal(34, 1, rows).round(1),
            random.integers(1, 9, rows),
            random.integers(0, 2, rows),
            random.normal(-118, 1, rows).round(1),
        ]
    )


def test_with_plain_features_training_rows_have_the_columns_of_any_row() -> None:
    matrix = _town()
    encoding, columns = FeatureEncoding.fit_transform(
        FeatureSet.PLAIN, TOWN, matrix, np.arange(50.0)
    )
    assert encoding == FeatureEncoding.fit(TOWN, matrix)
    assert {*encoding.to_files()} == {ENCODING}
    assert columns.tobytes() == encoding.transform(matrix).tobytes()


def test_spatial_columns_come_last_and_exclude_the_row_itself() -> None:
    matrix, target = _town(), np.arange(50.0) ** 2
    encoding, columns = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, matrix, target)
    plain = FeatureEncoding.fit(TOWN, matrix)
    assert encoding.names[: len(plain.names)] == plain.names
    assert "price, weighted mean of 5 nearest" in encoding.names
    assert "rooms, weighted mean of 30 nearest" in encoding.names
    assert "price of 30 nearest, by rooms_per_degree" in encoding.names
    assert not any("north" in name for name in encoding.names[len(plain.names) :])
    assert columns.shape == (50, len(encoding.names))
    served = encoding.transform(matrix)
    assert served[:, : len(plain.names)].tobytes() == plain.transform(matrix).tobytes()
    nearest = encoding.names.index("price of the nearest")
    assert set(served[:, nearest]) <= set(target)
    assert not (columns[:, nearest] == target).any()


def test_a_missing_coordinate_is_replaced_by_the_median() -> None:
    encoding, _ = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, _town(), np.arange(50.0))
    row = np.array([[NAN, 3.0, 1.0, -118.0]])
    median = np.array([[encoding.fill["north"], 3.0, 1.0, -118.0]])
    assert encoding.transform(row).tobytes() == encoding.transform(median).tobytes()


@given(matrices(), st.data())
def test_a_row_has_the_same_spatial_columns_alone_and_among_others(
    drawn: tuple[Schema, Matrix], data: st.DataObject
) -> None:
    schema, matrix = drawn
    if schema.coordinates is None or len(matrix) < 2:
        return
    target = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=len(matrix), max_size=12)))
    encoding, columns = FeatureEncoding.fit_transform(
        FeatureSet.SPATIAL, schema, matrix, target[: len(matrix)]
    )
    assert np.isfinite(columns).all()
    again = FeatureEncoding.from_files(schema, encoding.to_files())
    assert again.names == encoding.names
    together = again.transform(matrix)
    for row in range(len(matrix)):
        assert encoding.transform(matrix[row : row + 1]).tobytes() == together[row].tobytes()


def test_values_too_large_to_be_squared_give_finite_columns() -> None:
    huge = _town()
    huge[:, 1] *= 1e222
    _, columns = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, huge, np.arange(50.0))
    assert np.isfinite(columns).all()


def test_a_bundle_keeps_the_parameters_of_its_neighbour_statistics() -> None:
    fitted, _ = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, _town(), np.arange(50.0))
    statistics = fitted.neighbour_statistics
    assert statistics is not None
    counts: dict[str, Any] = {"mean_counts": (3, 12), "covariate_counts": (4,), "rotations": (45,)}
    parameters = replace(CURRENT, neighbours=12, distance_ranks=(1, 7), ridge_share=0.1, **counts)
    other = NeighbourStatistics(
        statistics.names, statistics.locations, statistics.values, parameters
    )
    encoding = FeatureEncoding(TOWN, fitted.fill, other)
    again = FeatureEncoding.from_files(TOWN, encoding.to_files())
    assert again.neighbour_statistics is not None
    assert again.neighbour_statistics.parameters == parameters
    assert again.names == encoding.names != fitted.names
    assert again.transform(_town()).tobytes() == encoding.transform(_town()).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": 0},
        {"neighbours": 29},
        {"neighbours": 10**6},
        {"median_count": 31},
        {"mean_counts": [5, 10]},
        {"mean_counts": [10, 5, 30]},
        {"extreme_counts": []},
        {"rotations": []},
        {"distance_ranks": [0]},
        {"distance_offset": 0.0},
        {"ridge_share": -1.0},
        {"largest_quotient": "1"},
        {"radius": 1},
    ],
)
def test_parameters_that_are_not_allowed_are_rejected(change: dict[str, object]) -> None:
    fitted, _ = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, _town(), np.arange(50.0))
    files = fitted.to_files()
    mapping = json.loads(files[ENCODING])
    mapping["neighbours"] |= change
    with pytest.raises(ArtefactRejected, match=r"neighbours"):
        FeatureEncoding.from_files(TOWN, {**files, ENCODING: json_bytes(mapping)})


def test_files_that_do_not_belong_together_are_rejected() -> None:
    encoding, _ = FeatureEncoding.fit_transform(FeatureSet.SPATIAL, TOWN, _town(), np.arange(50.0))
    files = encoding.to_files()
    plain = FeatureEncoding.fit(TOWN, _town()).to_files()
    for spoilt, why in (
        ({**files, ENCODING: plain[ENCODING]}, "the columns are not those"),
        ({ENCODING: files[ENCODING]}, "the columns are not those"),
        ({**files, NEIGHBOURS: b"?"}, r"neighbours\.npy cannot be read"),
        ({**files, ENCODING: b"["}, r"features\.json cannot be read"),
    ):
        with pytest.raises(ArtefactRejected, match=why):
            FeatureEncoding.from_files(TOWN, spoilt)
    foreign = {**FeatureEncoding.fit(SCHEMA, np.ones((1, 4))).to_files(), NEIGHBOURS: b""}
    with pytest.raises(ArtefactRejected, match="the schema has no coordinates"):
        FeatureEncoding.from_files(SCHEMA, foreign)
