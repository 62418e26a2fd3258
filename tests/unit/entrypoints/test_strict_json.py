import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidData, InvalidRows, UnreadableData
from entrypoints.strict_json import read_json

NAMES = st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_any_json_is_read(value: object, indent: int | None, ascii_only: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert read_json(content, "the text") == value


@given(VALUES, st.integers(0, 4), NAMES)
def test_a_duplicate_name_at_any_depth_is_rejected(value: object, depth: int, name: str) -> None:
    twice = f"{{{json.dumps(name)}: 1, {json.dumps(name)} :{json.dumps(value)}}}"
    content = "[" * depth + twice + "]" * depth
    with pytest.raises(InvalidData, match="twice"):
        read_json(content.encode(), "the text")


@pytest.mark.parametrize(
    "content",
    ['{"data": [{"a": 1}, {"a": 1, "a": 2}]}', '[{"a": 1}, {"a": 1, "a": 2}]'],
)
def test_a_row_with_a_duplicate_field_is_named(content: str) -> None:
    with pytest.raises(InvalidRows) as caught:
        read_json(content.encode(), "the text")
    (violation,) = caught.value.violations
    assert (violation.row, violation.problem) == (1, "has a field twice")


def test_escaped_and_plain_names_are_equal() -> None:
    with pytest.raises(InvalidData):
        read_json(rb'{"a": 1, "\u0061": 2}', "the text")


def test_a_colon_in_a_string_is_not_a_name() -> None:
    assert read_json(b'[{"time": "12:30", "a:b": ":"}]', "the text") == [
        {"time": "12:30", "a:b": ":"}
    ]


def test_very_long_numbers_are_read() -> None:
    content = b'{"a:": [' + b"9" * 4_000 + b"]}"
    assert read_json(content, "the text") == {"a:": [int("9" * 4_000)]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"secret": tru}',
        b"{'secret': 1}",
        b'{"a": 1,}',
        b'["secret" 1]',
        b"NaN",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b"\xff\xfe",
        b'"secret\xff"',
        rb'"\ud800secret"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b"9" * 10_000,
        b"{} {}",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_other_text_is_rejected_and_not_repeated(content: bytes) -> None:
    with pytest.raises(
        UnreadableData, match=r"^the text is not JSON: .* at line 1 column \d+$"
    ) as e:
        read_json(content, "the text")
    assert "secret" not in str(e.value)
