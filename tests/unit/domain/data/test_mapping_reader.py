from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.mapping_reader import Reader
from domain.errors import Misconfigured
from tests.support.strategies import CELLS

READS: dict[str, Callable[[Reader, str], object]] = {
    "whole": lambda reader, key: reader.whole(key),
    "number": lambda reader, key: reader.number(key),
    "texts": lambda reader, key: reader.texts(key),
    "numbers": lambda reader, key: reader.numbers(key),
    "table": lambda reader, key: reader.table(key),
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
        ("whole", 3, 3),
        ("number", 3, 3.0),
        ("texts", ["a", "b"], ("a", "b")),
        ("numbers", [1, 2.5], (1.0, 2.5)),
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
        ("whole", 3.0, "expected an integer"),
        ("whole", True, "expected an integer"),
        ("number", "3", "expected a number"),
        ("number", True, "expected a number"),
        ("number", 10**400, "is beyond the largest number"),
        ("texts", "ab", "expected a list"),
        ("texts", ["a", 1], "expected a list of texts"),
        ("numbers", [1, True], "expected a list of numbers"),
        ("table", [], "expected a table"),
        ("mapping_of", [], "expected a table"),
    ],
)
def test_another_value_is_refused_with_what_was_expected(how: str, value: object, why: str) -> None:
    with pytest.raises(Misconfigured) as error:
        READS[how](Reader({"key": value}, "file.toml"), "key")
    assert str(error.value).startswith("file.toml: key: ")
    assert why in str(error.value)


@pytest.mark.parametrize("how", sorted({*READS} - {"texts"}))
def test_a_missing_key_is_named(how: str) -> None:
    with pytest.raises(Misconfigured, match=r"^file: key: is missing$"):
        READS[how](Reader({}, "file"), "key")


def test_a_list_of_texts_may_be_absent() -> None:
    reader = Reader({}, "file")
    assert reader.texts("c") == ()
    assert not reader.has("a")


def test_keys_that_nobody_asked_for_are_refused_with_those_allowed() -> None:
    reader = Reader({"name": 1, "nmae": "b", 3: "c"}, "file")
    reader.whole("name")
    with pytest.raises(Misconfigured, match=r"^file: unknown key 'nmae', '3'; allowed: name$"):
        reader.finish()


@pytest.mark.parametrize("value", [None, 3, "text", ["a"]])
def test_what_is_no_table_at_all_is_refused(value: object) -> None:
    with pytest.raises(Misconfigured, match=r"^file: expected a table of keys and values$"):
        Reader(value, "file")
