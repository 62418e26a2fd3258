from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind, Refused
from domain.data.table import Coded
from domain.errors import Misconfigured
from tests.support.decoding import decoded
from tests.support.strategies import CELLS, features, objects, values

NUMBER = Feature("x", Kind.NUMBER, "m", low=0, high=10)
INTEGER = Feature("x", Kind.INTEGER, low=-3)
CATEGORY = Feature("x", Kind.CATEGORY, categories=("a", "b"))
BOOLEAN = Feature("x", Kind.BOOLEAN)


def _encoded(feature: Feature, value: object) -> float | str:
    try:
        return feature.encode(value)
    except Refused as refused:
        return str(refused)


def _same(one: float | str, other: float | str) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (isnan(one) and isnan(other))
    return one == other


@pytest.mark.parametrize(
    ("feature", "value", "number"),
    [
        (NUMBER, 0, 0.0),
        (NUMBER, 10.0, 10.0),
        (NUMBER, np.float32(0.5), 0.5),
        (NUMBER, np.uint8(7), 7.0),
        (INTEGER, 5, 5.0),
        (INTEGER, 5.0, 5.0),
        (INTEGER, -3, -3.0),
        (CATEGORY, "b", 1.0),
        (CATEGORY, np.str_("a"), 0.0),
        (BOOLEAN, True, 1.0),
        (BOOLEAN, np.bool_(False), 0.0),
    ],
)
def test_allowed_values_become_numbers(feature: Feature, value: object, number: float) -> None:
    assert feature.encode(value) == number


@pytest.mark.parametrize(
    ("feature", "value", "why"),
    [
        (NUMBER, None, "is missing"),
        (NUMBER, float("nan"), "is not a finite number"),
        (NUMBER, float("inf"), "is not a finite number"),
        (NUMBER, 10**400, "is not a finite number"),
        (NUMBER, -0.001, "is out of range"),
        (NUMBER, 10.5, "is out of range"),
        (NUMBER, True, "is not a number"),
        (NUMBER, np.bool_(True), "is not a number"),
        (NUMBER, "5", "is not a number"),
        (NUMBER, [5], "is not a number"),
        (NUMBER, {"x": 5}, "is not a number"),
        (INTEGER, 2.5, "is not a whole number"),
        (INTEGER, -4, "is out of range"),
        (CATEGORY, "c", "is not a known category"),
        (CATEGORY, "A", "is not a known category"),
        (CATEGORY, 0, "is not text"),
        (CATEGORY, ["a"], "is not text"),
        (BOOLEAN, 1, "is not true or false"),
        (BOOLEAN, "true", "is not true or false"),
    ],
)
def test_other_values_are_refused_with_the_reason(
    feature: Feature, value: object, why: str
) -> None:
    with pytest.raises(Refused) as refused:
        feature.encode(value)
    assert str(refused.value) == why


@given(features().flatmap(lambda f: st.tuples(st.just(f), values(f))))
def test_a_value_comes_back_from_its_number(drawn: tuple[Feature, Any]) -> None:
    feature, value = drawn
    back = decoded(feature, feature.encode(value))
    assert back == value
    assert back is None or isinstance(back, type(value))


@given(features(), st.lists(CELLS, max_size=12))
def test_a_column_of_objects_is_checked_like_its_values_one_by_one(
    feature: Feature, cells: list[Any]
) -> None:
    encoded, problems = feature.encode_column(objects(cells))
    for row, cell in enumerate(cells):
        nan = isinstance(cell, float | np.floating) and np.isnan(cell)
        expected = _encoded(feature, None if nan else cell)
        assert _same(problems.get(row, float(encoded[row])), expected)


@given(
    features(),
    st.one_of(
        st.lists(st.floats(), max_size=12).map(lambda v: np.array(v, dtype=np.float64)),
        st.lists(st.floats(width=32), max_size=12).map(lambda v: np.array(v, dtype=np.float32)),
        st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda v: np.array(v, dtype=np.int64)),
        st.lists(st.booleans(), max_size=12).map(lambda v: np.array(v, dtype=np.bool_)),
        st.lists(st.sampled_from(["a", "b", "12", ""])).map(lambda v: np.array(v, dtype=np.str_)),
    ),
)
def test_a_typed_column_is_checked_like_the_same_column_of_objects(
    feature: Feature, column: Any
) -> None:
    typed, problems = feature.encode_column(column)
    slow, slow_problems = feature.encode_column(objects(column.tolist()))
    fine = [row for row in range(len(column)) if row not in problems]
    assert problems == slow_problems
    assert np.array_equal(typed[fine], slow[fine], equal_nan=True)


@given(
    features(),
    st.lists(st.sampled_from(["a", "b", "c", "", "12"]), min_size=1, max_size=5, unique=True),
    st.data(),
)
def test_a_coded_column_is_checked_like_its_texts(
    feature: Feature, texts: list[str], data: st.DataObject
) -> None:
    codes = data.draw(st.lists(st.integers(-1, len(texts) - 1), max_size=12))
    column = Coded(np.array(codes, dtype=np.int32), tuple(texts))
    coded, problems = feature.encode_column(column)
    slow, slow_problems = feature.encode_column(column.decoded())
    fine = [row for row in range(len(column)) if row not in problems]
    assert problems == slow_problems
    assert np.array_equal(coded[fine], slow[fine], equal_nan=True)


def test_the_bounds_of_a_range_are_allowed_in_a_column_too() -> None:
    values, problems = NUMBER.encode_column(np.array([0.0, 10.0, -0.5, 10.5]))
    assert values[:2].tolist() == [0.0, 10.0]
    assert problems == {2: "is out of range", 3: "is out of range"}


def test_a_column_with_gaps_may_hold_integers() -> None:
    gaps = Feature("x", Kind.INTEGER, nullable=True)
    values, problems = gaps.encode_column(np.array([1.0, np.nan, 2.5]))
    assert np.isnan(values[1])
    assert problems == {2: "is not a whole number"}


@given(features())
def test_the_sample_of_a_feature_fits(feature: Feature) -> None:
    assert decoded(feature, feature.encode(feature.sample)) == feature.sample


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (NUMBER, "a number from 0 to 10 (m)"),
        (INTEGER, "an integer of at least -3"),
        (Feature("x", Kind.NUMBER, high=2.5, nullable=True), "a number of at most 2.5, or nothing"),
        (Feature("x", Kind.NUMBER), "a number"),
        (CATEGORY, "one of 'a', 'b'"),
        (BOOLEAN, "true or false"),
    ],
)
def test_what_is_allowed_is_said_in_words(feature: Feature, words: str) -> None:
    assert feature.allowed == words


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"kind": Kind.CATEGORY}, "a category needs `categories`"),
        ({"categories": ("a",)}, "nothing else has them"),
        ({"kind": Kind.CATEGORY, "categories": ("a", "a")}, "a category is listed twice"),
        ({"low": 2.0, "high": 1.0}, "`range` is not from a lower to a higher"),
        ({"low": float("nan")}, "`range` is not from a lower to a higher"),
        ({"high": float("inf")}, "`range` is not from a lower to a higher"),
        ({"kind": Kind.BOOLEAN, "low": 0.0}, "only a number or integer has a `range`"),
        (
            {"kind": Kind.CATEGORY, "categories": ("a",), "high": 1.0},
            "only a number or integer has a `range`",
        ),
        ({"high": 1.0, "example": 2}, "the example is out of range; allowed: a number of at most"),
    ],
)
def test_a_feature_that_makes_no_sense_is_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured) as error:
        Feature(**{"name": "x", "kind": Kind.NUMBER, **arguments})
    assert why in str(error.value)
