from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.table import plain
from domain.errors import InvalidData
from entrypoints.http.protocols.open_inference.tensors import from_bytes, read_categories
from tests.unit.entrypoints.http.protocols.wire import packed

MANY = 64

# Alike in length, in their letters, in their beginning; with zeros inside; empty; and long ones.
TEXTS = st.one_of(
    st.sampled_from(["", "A", "B", "AB", "BA", "\x00", "\x00\x00\x00", "A\x00\x00\x00", "\xe9"]),
    st.text(max_size=4),
    st.integers(250, 300).map("x".__mul__),
)
CATEGORIES = st.lists(TEXTS, min_size=1, max_size=5, unique=True).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[tuple[str, ...], bytes, int]:
    """Categories, the bytes of a tensor that may be damaged, and how many texts it is said to hold.

    Any damage: a text that is no category, bytes that are others, more or fewer; a wrong count.
    """
    categories = draw(CATEGORIES)
    texts = draw(st.lists(st.sampled_from(categories), min_size=MANY, max_size=MANY + 8))
    if draw(st.booleans()):
        texts[draw(st.integers(0, len(texts) - 1))] = draw(TEXTS)
    content = bytearray(packed("BYTES", texts))
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, len(content)))
        content[begin : begin + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
    return categories, bytes(content), len(texts) + draw(st.sampled_from([0, 0, 0, -1, 1]))


@given(tensors())
def test_what_is_accepted_is_what_from_bytes_reads(case: Any) -> None:
    categories, content, count = case
    quick = read_categories(memoryview(content), categories, count)
    try:
        thorough = plain(from_bytes(memoryview(content), "BYTES", count, "x")).tolist()
    except InvalidData:
        assert quick is None
        return
    assert quick is None or plain(quick).tolist() == thorough


@given(st.data())
def test_categories_of_a_table_are_accepted(data: st.DataObject) -> None:
    categories = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")
    texts = data.draw(st.lists(st.sampled_from(categories), min_size=MANY, max_size=200))
    read = read_categories(memoryview(packed("BYTES", texts)), categories, len(texts))
    assert read is not None
    assert plain(read).tolist() == texts


@pytest.mark.parametrize("count", [0, 1, 8])
def test_few_texts_are_left_to_from_bytes(count: int) -> None:
    assert read_categories(memoryview(packed("BYTES", ["a"] * count)), ("a",), count) is None


@pytest.mark.parametrize("content", [b"", b"\x00", bytes(3), bytes(4), bytes(400)])
def test_bytes_without_texts_are_left_to_from_bytes(content: bytes) -> None:
    assert read_categories(memoryview(content), ("a",), MANY) is None
