from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.mapping_reader import Reader
from domain.errors import Misconfigured
from tests.support.strategies import CELLS


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


READS: dict[str, Callable[[Reader, str], object]] = {
    "text": lambda reader, key: reader.text(key),
    "whole": lambda reader, key: reader.whole(key),
    "number": lambda reader, key: reader.number(key),
    "flag": lambda reader, key: reader.flag(key),
    "texts": lambda reader, key: reader.texts(key),
    "numbers": lambda reader, key: reader.numbers(key),
    "choice": lambda reader, key: reader.choice(key, Colour),
    "scalar": lambda reader, key: reader.scalar(key),
    "interval": lambda reader, key: reader.interval(key),
    "table": lambda reader, key: reader.table(key),
    "tables": lambda reader, key: reader.tables(key),
    "mapping_of": lambda reader, key: reader.mapping_of(key),
}


@given(st.sampled_from(sorted(READS)), CELLS)
def test_any_value_is_either_read_or_refused_by_place(how: str, value: Any) -> None:
    reader = Reader({"key": value}, "file.toml")
    complaint = ""
    try:
        READS[how](reader, "key")
        reader.finish()
    except Misconfigured as error:
        complaint = str(error)
    assert not complaint or complaint.startswith("file.toml: key")


@pytest.mark.parametrize(
    ("how", "value", "read"),
    [
        ("text", "a", "a"),
        ("whole", 3, 3),
        ("number", 3, 3.0),
        ("flag", True, True),
        ("texts", ["a", "b"], ("a", "b")),
        ("numbers", [1, 2.5], (1.0, 2.5)),
        ("choice", "blue", Colour.BLUE),
        ("scalar", "a", "a"),
        ("scalar", False, False),
        ("interval", [0, 1.5], (0.0, 1.5)),
        ("interval", [float("-inf"), 2], (None, 2.0)),
        ("interval", [2, float("inf")], (2.0, None)),
        ("interval", [None, None], (None, None)),
        ("mapping_of", {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_of_the_right_type_is_read(how: str, value: object, read: object) -> None:
    found = READS[how](Reader({"key": value}, "file"), "key")
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("how", "value", "why"),
    [
        ("text", 3, "expected text"),
        ("whole", 3.0, "expected an integer"),
        ("whole", True, "expected an integer"),
        ("number", "3", "expected a number"),
        ("number", True, "expected a number"),
        ("number", 10**400, "is beyond the largest number"),
        ("flag", 1, "expected true or false"),
        ("texts", "ab", "expected a list"),
        ("texts", ["a", 1], "expected a list of texts"),
        ("numbers", [1, True], "expected a list of numbers"),
        ("choice", "green", "'green' is not one of 'red', 'blue'"),
        ("choice", 1, "expected text"),
        ("scalar", [1], "expected one number, text or boolean"),
        ("interval", 5, "expected a lowest and a highest value"),
        ("interval", [1, 2, 3], "expected a lowest and a highest value"),
        ("interval", ["a", 2], "expected two numbers"),
        ("interval", [False, 2], "expected two numbers"),
        ("interval", [0, 10**400], "is beyond the largest number"),
        ("table", [], "expected a table"),
        ("tables", {}, "expected a list of tables"),
        ("mapping_of", [], "expected a table"),
    ],
)
def test_another_value_is_refused_with_what_was_expected(how: str, value: object, why: str) -> None:
    with pytest.raises(Misconfigured) as error:
        READS[how](Reader({"key": value}, "file.toml"), "key")
    assert str(error.value).startswith("file.toml: key: ")
    assert why in str(error.value)


@pytest.mark.parametrize("how", sorted({*READS} - {"scalar", "interval", "texts"}))
def test_a_missing_key_is_named(how: str) -> None:
    with pytest.raises(Misconfigured, match=r"^file: key: is missing$"):
        READS[how](Reader({}, "file"), "key")


def test_what_may_be_absent_has_a_default() -> None:
    reader = Reader({}, "file")
    assert reader.text("a", "none") == "none"
    assert reader.flag("b", default=True) is True
    assert reader.texts("c") == ()
    assert reader.scalar("d") is None
    assert reader.interval("e") == (None, None)
    assert reader.tables("f", optional=True) == []
    assert not reader.has("a")


def test_nested_places_are_counted_from_one() -> None:
    second = Reader({"list": [{}, {}]}, "file").tables("list")[1]
    with pytest.raises(Misconfigured, match=r"^file: list 2: name: is missing$"):
        second.text("name")
    with pytest.raises(Misconfigured, match=r"^file: list 1: expected a table"):
        Reader({"list": [3]}, "file").tables("list")


def test_keys_that_nobody_asked_for_are_refused_with_those_allowed() -> None:
    reader = Reader({"name": "a", "nmae": "b", 3: "c"}, "file")
    reader.text("name")
    with pytest.raises(Misconfigured, match=r"^file: unknown key 'nmae', '3'; allowed: name$"):
        reader.finish()


@pytest.mark.parametrize("value", [None, 3, "text", ["a"]])
def test_what_is_no_table_at_all_is_refused(value: object) -> None:
    with pytest.raises(Misconfigured, match=r"^file: expected a table of keys and values$"):
        Reader(value, "file")
