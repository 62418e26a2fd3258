"""Rows end where Arrow's and Python's readers end them, for any division into blocks."""

import csv
from io import BytesIO, StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.arrow.reading import text_lines as lines
from adapters.arrow.reading.text_lines import Splitter, scan, split_csv, split_lines, to_chunks
from domain.errors import UnreadableData

PIECES = ["a", "é", '"', ",", "\n", "\r", "\r\n", '""', '","', '"\n"', ' "']


class Dripping:
    """A stream that returns a few bytes per call."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._stream = BytesIO(content)
        self._sizes = sizes or [1]
        self._turn = 0

    def read(self, size: int, /) -> bytes:
        self._turn += 1
        return self._stream.read(min(size, self._sizes[self._turn % len(self._sizes)]))


def rows(content: bytes, split: Splitter, sizes: list[int]) -> list[bytes]:
    found = scan(Dripping(content, sizes), split, "x.csv")
    return [content[s:e] for piece in found for s, e in zip(piece.starts, piece.ends, strict=True)]


def parsed(text: str) -> list[list[str]]:
    return [row for row in csv.reader(StringIO(text, newline="")) if row]


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.lists(st.integers(1, 9), max_size=4),
)
@example('a"b\n"c"\n', [1])
@example('"a\r\nb",c\r\n\r\nd\r', [2])
@example('x,\n"y"z"\n",', [3])
@example('a\nb"c,', [3])
def test_rows_end_where_the_reader_of_the_standard_library_ends_them(
    text: str, sizes: list[int]
) -> None:
    content = text.encode()
    try:
        found = rows(content, split_csv, sizes)
    except UnreadableData:
        with pytest.raises(csv.Error):
            list(csv.reader(StringIO(text, newline=""), strict=True))
        return
    assert [parsed(row.decode()) for row in found] == [[row] for row in parsed(text)]


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=4))
def test_json_lines_end_at_line_feeds_and_blank_ones_are_skipped(
    content: bytes, sizes: list[int]
) -> None:
    text = content.removeprefix(b"\xef\xbb\xbf")
    found = [row.rstrip(b"\n") for row in rows(content, split_lines, [*sizes, 60])]
    assert found == [line for line in text.split(b"\n") if line.strip()]


@given(
    st.lists(st.integers(0, 5), max_size=30),
    st.integers(1, 12),
    st.lists(st.integers(1, 9), max_size=4),
)
def test_chunks_hold_the_rows_in_order_with_their_offsets(
    lengths: list[int], rows_per_chunk: int, sizes: list[int]
) -> None:
    content = "".join("x" * length + "\n" for length in lengths).encode()
    filled = [length for length in lengths if length]
    chunks = list(to_chunks(scan(Dripping(content, sizes), split_csv, "x.csv"), rows_per_chunk))
    assert [chunk.start for chunk in chunks] == list(range(0, len(filled), rows_per_chunk))
    for chunk in chunks:
        start, end, longest, quotes = chunk.locator
        inside = filled[chunk.start : chunk.start + chunk.rows]
        assert [len(line) for line in content[start:end].split()] == inside
        assert longest == max(inside) + 1
        assert not quotes


def test_a_row_that_never_ends_is_refused_before_memory_is_full() -> None:
    class Endless:
        def read(self, size: int, /) -> bytes:
            return b"x" * size

    with pytest.raises(UnreadableData, match=r"x\.csv: the row that begins at byte 0 does not end"):
        list(scan(Endless(), split_csv, "x.csv"))


@pytest.mark.parametrize("offset", [0, 1, 5, 6, 7, 8, 11, 12])
def test_line_numbers_are_those_of_an_editor(offset: int) -> None:
    content = b"ab\r\n\r\rc\n\nd\re"
    shown = StringIO(content[:offset].decode() + "x", newline=None).read()
    assert lines.line_number(Dripping(content, [1]), offset) == 1 + shown.count("\n")
