from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ArtefactRejected
from domain.feature import Feature, Kind
from domain.features import FeatureEncoding
from domain.schema import Matrix, Ratio, Schema, Target
from tests.unit.strategies import records, schemas

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
def test_a_ratio_that_cannot_be_told_is_the_median_of_the_others(
    people: float, rooms: float
) -> None:
    encoding = FeatureEncoding.fit(SCHEMA, np.array([[1.0, 0, 4, 1], [1, 0, 6, 1]]))
    assert encoding.transform(np.array([[rooms, 0.0, people, 0]]))[0, -1] == 5.0


def test_a_column_without_any_value_is_filled_with_zero() -> None:
    encoding = FeatureEncoding.fit(SCHEMA, np.full((3, 4), NAN))
    assert encoding.transform(np.full((1, 4), NAN)).tolist() == [[0.0] * 6]


@given(matrices())
def test_a_row_is_encoded_to_the_last_bit_as_on_its_own(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    encoding = FeatureEncoding.fit(schema, matrix)
    together = encoding.transform(matrix)
    alone = [encoding.transform(matrix[row : row + 1]).tobytes() for row in range(len(matrix))]
    assert [row.tobytes() for row in together] == alone


@given(matrices())
def test_the_result_has_no_gaps_and_leaves_its_input_alone(drawn: tuple[Schema, Matrix]) -> None:
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
def test_an_encoding_comes_back_from_its_mapping(drawn: tuple[Schema, Matrix]) -> None:
    schema, matrix = drawn
    encoding = FeatureEncoding.fit(schema, matrix)
    again = FeatureEncoding.from_mapping(schema, encoding.to_mapping())
    assert again == encoding
    assert again.transform(matrix).tobytes() == encoding.transform(matrix).tobytes()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"columns": ["rooms"]}, "the columns are not those of the schema"),
        ({"columns": "rooms"}, "columns: expected a list"),
        ({"fill": []}, "fill: expected a table"),
        ({"fill": {"rooms": 1.0}}, "fill: people: is missing"),
        ({"fill": {"rooms": "1"}}, "fill: rooms: expected a number"),
        ({"fill": {"rooms": True}}, "fill: rooms: expected a number"),
        ({"fill": {"rooms": 10**400}}, "fill: rooms: is beyond the largest number"),
        (
            {"fill": {"rooms": 1, "people": 1, "new": 1, "crowding": 1, "odd": 1}},
            "fill: unknown key 'odd'",
        ),
    ],
)
def test_an_encoding_of_another_schema_is_rejected(change: dict[str, Any], why: str) -> None:
    sound = FeatureEncoding.fit(SCHEMA, np.ones((1, 4))).to_mapping()
    with pytest.raises(ArtefactRejected) as error:
        FeatureEncoding.from_mapping(SCHEMA, {**sound, **change})
    assert str(error.value).startswith("features.json: ")
    assert why in str(error.value)
