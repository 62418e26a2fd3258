from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Ratio, Schema, Target
from domain.data.table import Table
from domain.errors import InvalidData, InvalidRows, Misconfigured, Violation
from tests.support.decoding import decoded_record
from tests.support.strategies import CELLS, objects, records, schemas, table_of

AGE = Feature("age", Kind.NUMBER, "years", low=0, high=120)
ROOMS = Feature("rooms", Kind.INTEGER, nullable=True)
PLACE = Feature("place", Kind.CATEGORY, categories=("sea", "land"))
SCHEMA = Schema("houses", Target("price", "dollars"), (AGE, ROOMS, PLACE))


def _check(schema: Schema, record: object) -> tuple[list[float], tuple[Violation, ...]]:
    try:
        return schema.encode_records([record])[0].tolist(), ()
    except InvalidRows as error:
        return [], error.violations


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


@given(schemas(), st.data())
def test_a_record_and_a_row_of_a_table_are_checked_alike(
    schema: Schema, data: st.DataObject
) -> None:
    """Same vector, same violations, cell by cell; only NaN is a table's way to say None."""
    row = st.fixed_dictionaries(dict.fromkeys(schema.names, CELLS))
    rows: list[dict[str, Any]] = data.draw(st.lists(row, max_size=6))
    encoded = schema.encode_table(table_of(rows, schema.names))
    accepted = encoded.accepted
    assert [v.row for v in encoded.violations] == sorted(v.row for v in encoded.violations)
    for position, raw in enumerate(rows):
        record = {name: None if _is_nan(cell) else cell for name, cell in raw.items()}
        vector, violations = _check(schema, record)
        found = [v for v in encoded.violations if v.row == position]
        assert [(v.field, v.problem, v.allowed) for v in found] == [
            (v.field, v.problem, v.allowed) for v in violations
        ]
        assert accepted[position] == (not violations)
        if not violations:
            assert np.array_equal(encoded.matrix[position], vector, equal_nan=True)


@given(schemas().flatmap(lambda schema: st.tuples(st.just(schema), records(schema))))
def test_records_come_back_from_their_vectors(drawn: tuple[Schema, list[dict[str, Any]]]) -> None:
    schema, rows = drawn
    matrix = schema.encode_records(rows)
    assert matrix.shape == (len(rows), len(schema.features))
    back = [decoded_record(schema, vector) for vector in matrix.tolist()]
    assert back == rows
    assert np.array_equal(schema.encode_records(back), matrix, equal_nan=True)


@given(schemas())
def test_the_example_of_a_schema_fits(schema: Schema) -> None:
    vector = schema.encode_records([schema.example])[0]
    assert decoded_record(schema, vector.tolist()) == schema.example


@given(schemas(), st.text(st.characters(codec="ascii"), min_size=12), st.floats(1e7, 1e9))
def test_a_violation_never_repeats_what_was_given(schema: Schema, text: str, number: float) -> None:
    secret = f"§{text}§"
    for value in (secret, number, [secret], {secret: number}):
        record = dict.fromkeys(schema.names, value)
        _, violations = _check(schema, {**record, secret: value})
        assert violations[-1].problem == "has 1 unknown field"
        assert not any(secret in str(v) or repr(number) in str(v) for v in violations)
        table = table_of([record], schema.names)
        assert not any(
            secret in str(v) or repr(number) in str(v)
            for v in schema.encode_table(table).violations
        )


def test_all_faults_of_all_rows_are_named_in_order() -> None:
    rows: list[dict[str, Any]] = [
        {"age": 130, "place": "moon"},
        {"age": 5, "place": "sea"},
        {"rooms": 2.5, "odd": 1},
    ]
    violations = SCHEMA.encode_table(table_of(rows, SCHEMA.names)).violations
    with pytest.raises(InvalidRows) as error:
        SCHEMA.encode_records(rows)
    assert violations == error.value.violations[:-1]
    assert [(v.row, v.field, v.problem) for v in error.value.violations] == [
        (0, "age", "is out of range"),
        (0, "place", "is not a known category"),
        (2, "age", "is missing"),
        (2, "rooms", "is not a whole number"),
        (2, "place", "is missing"),
        (2, "", "has 1 unknown field"),
    ]


@pytest.mark.parametrize("record", [None, 3, "text", ["age", 3], [{"age": 3}]])
def test_what_is_no_record_is_refused(record: object) -> None:
    with pytest.raises(InvalidRows, match=r"row 0 is not an object; allowed: an object with the"):
        SCHEMA.encode_records([record])


def test_a_nullable_feature_may_be_left_out() -> None:
    assert np.isnan(SCHEMA.encode_records([{"age": 3, "place": "sea"}])[0, 1])


def test_nan_in_a_record_is_refused_though_it_marks_a_gap_in_a_table() -> None:
    row = {"age": 3.0, "rooms": float("nan"), "place": "sea"}
    with pytest.raises(InvalidRows, match=r"rooms: is not a finite number"):
        SCHEMA.encode_records([row])
    assert SCHEMA.encode_table(table_of([row], SCHEMA.names)).violations == ()


def test_a_table_may_have_other_columns_in_any_order() -> None:
    table = Table.of(
        {
            "other": objects([object()]),
            "place": objects(["land"]),
            "rooms": np.array([4]),
            "age": np.array([3.5]),
        }
    )
    assert SCHEMA.encode_table(table).matrix.tolist() == [[3.5, 4.0, 1.0]]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (["age", "rooms"], r"^f\.csv: no column 'place'; it has 'age', 'rooms'$"),
        ([], r"^f\.csv: no column 'age', 'rooms', 'place'; it has no columns$"),
        (["age", "rooms", "place", "", "", "age"], r"^f\.csv: column 'age' appears twice$"),
        (["age", "rooms", "place", "x", "x"], r"^f\.csv: column 'x' appears twice$"),
        (["Age", "rooms", "place"], r"^f\.csv: no column 'age'; it has 'Age', 'rooms', 'place'$"),
    ],
)
def test_columns_that_lack_a_feature_or_repeat_one_are_refused(
    columns: list[str], why: str
) -> None:
    with pytest.raises(InvalidData, match=why):
        SCHEMA.require(columns, "f.csv")


def test_a_table_without_a_feature_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"no column 'rooms', 'place'"):
        SCHEMA.encode_table(Table.of({"age": np.zeros(1)}))


def test_rows_without_a_usable_target_are_named() -> None:
    table = Table.of({"price": objects([1.5, None, "n/a", 3, float("inf")])})
    values, violations = SCHEMA.encode_target(table)
    assert values[[0, 3]].tolist() == [1.5, 3.0]
    assert [(v.row, v.field, v.problem) for v in violations] == [
        (1, "price", "is missing"),
        (2, "price", "is not a number"),
        (4, "price", "is not a finite number"),
    ]
    assert violations[0].allowed == "a number (dollars)"


@given(schemas(), schemas())
def test_rows_mean_the_same_in_schemas_of_the_same_features(one: Schema, other: Schema) -> None:
    renamed = Schema("renamed", Target(other.target.name + one.target.name * 8), one.features)
    assert one.has_same_rows_as(renamed)
    assume([f.name for f in one.features] != [f.name for f in other.features])
    assert not one.has_same_rows_as(other)


@pytest.mark.parametrize(
    "place",
    [
        Feature("place", Kind.CATEGORY, categories=("land", "sea")),
        Feature("place", Kind.CATEGORY, categories=("sea", "land", "air")),
        Feature("site", Kind.CATEGORY, categories=("sea", "land")),
        Feature("place", Kind.NUMBER),
    ],
)
def test_rows_mean_something_else_when_a_code_does(place: Feature) -> None:
    other = Schema("houses", SCHEMA.target, (AGE, ROOMS, place))
    assert not SCHEMA.has_same_rows_as(other)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "my houses"}, r"schema 'my houses': the name must be a letter, then"),
        ({"name": "h" * 101}, r"the name must be a letter, then at most 99 letters"),
        ({"name": ""}, r"schema '': the name must be"),
        ({"name": "a/b"}, r"schema 'a/b': the name must be"),
        ({"features": ()}, r"schema 'houses': there must be at least one feature"),
        ({"features": (AGE, AGE)}, r"schema 'houses': age appears twice"),
        ({"target": Target("age")}, r"age appears twice"),
        ({"features": (Feature("", Kind.NUMBER),)}, r"a column has an empty name"),
        ({"target": Target("")}, r"schema 'houses': a column has an empty name"),
        ({"ratios": (Ratio("age", "age", "rooms"),)}, r"age appears twice"),
        ({"ratios": (Ratio("", "age", "rooms"),)}, r"a column has an empty name"),
        ({"ratios": (Ratio("r", "age", "place"),)}, r"place must be a feature of kind number"),
        ({"ratios": (Ratio("r", "price", "age"),)}, r"price must be a feature of kind number"),
        ({"coordinates": Coordinates("lat", "age")}, r"lat must be a feature of kind number"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(arguments: dict[str, Any], why: str) -> None:
    sound: dict[str, Any] = {"name": "houses", "target": SCHEMA.target, "features": SCHEMA.features}
    with pytest.raises(Misconfigured, match=why):
        Schema(**{**sound, **arguments})


def test_of_a_row_that_is_none_nothing_but_that_is_wrong() -> None:
    columns = {"age": [1.0, -1.0, -1.0], "rooms": [2.0] * 3, "price": [1.0, np.nan, np.nan]}
    place = np.array(["sea", "moon", "moon"], dtype=object)
    fault = Violation(1, "", "has 2 cells", "4 cells")
    table = Table(
        {**{n: np.array(cells) for n, cells in columns.items()}, "place": place}, 3, (fault,)
    )
    encoded = SCHEMA.encode_table(table)
    assert [(v.row, v.field) for v in encoded.violations] == [(1, ""), (2, "age"), (2, "place")]
    assert encoded.violations[0] == fault
    assert [v.row for v in SCHEMA.encode_target(table)[1]] == [2]


@given(schemas(), st.data())
def test_columns_of_numbers_are_checked_together_as_each_by_itself(
    schema: Schema, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(0, 5))
    floats = st.one_of(st.floats(), st.integers(-3, 200).map(float))
    columns: dict[str, Any] = {
        name: np.array(data.draw(st.lists(cells, min_size=rows, max_size=rows)), dtype=kind)
        for name in schema.names
        for cells, kind in [
            data.draw(st.sampled_from([(floats, "f8"), (st.integers(-3, 200), "i4")]))
        ]
    }
    encoded = schema.encode_table(Table(columns, rows))
    for position, feature in enumerate(schema.features):
        values, problems = feature.encode_column(columns[feature.name])
        np.testing.assert_array_equal(encoded.matrix[:, position], values)
        found = {v.row: v.problem for v in encoded.violations if v.field == feature.name}
        assert found == problems


COUNT = Target("count", low=0.0)


def test_values_out_of_the_range_of_the_target_become_the_nearest_bound() -> None:
    values = np.array([-3.0, 0.0, 2.5, 1e300])
    assert COUNT.within_range(values).tolist() == [0.0, 0.0, 2.5, 1e300]
    assert Target("share", low=0.0, high=1.0).within_range(values).tolist() == [0, 0, 1, 1]
    assert Target("any").within_range(values) is values


def test_a_prediction_that_overflowed_does_not_become_a_bound() -> None:
    odd = np.array([np.inf, -np.inf, np.nan])
    assert COUNT.within_range(odd).tobytes() == odd.tobytes()


def test_a_row_whose_target_is_out_of_range_breaks_the_schema() -> None:
    schema = Schema("bikes", COUNT, (Feature("hour", Kind.NUMBER),))
    table = Table({"hour": np.arange(3.0), "count": np.array([0.0, -1.0, 7.0])}, 3)
    _, violations = schema.encode_target(table)
    assert [(v.row, v.field, v.problem) for v in violations] == [(1, "count", "is out of range")]


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (1.0, 1.0), (np.nan, None), (0.0, np.inf)])
def test_a_range_of_the_target_that_holds_no_interval_is_refused(
    low: float | None, high: float | None
) -> None:
    with pytest.raises(Misconfigured, match="`range`"):
        Target("count", low=low, high=high)
