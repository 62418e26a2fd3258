"""Where the rows of a text file begin and end, found in one pass over blocks of bytes.

The rules are those of Arrow's readers. CSV: a row ends at a line feed, a carriage return or both,
outside of quotes; a quote opens a quoted cell only at the cell's beginning, and two stand for one
inside; empty lines are no rows. JSON Lines: a row ends at a line feed; blank lines are no rows.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.dataset import Chunk
from domain.errors import UnreadableData

LONGEST_ROW = 64 << 20
_BLOCK = 2 << 20
_BOM = b"\xef\xbb\xbf"

_LF, _CR, _QUOTE = 10, 13, 34
_OPENED_AFTER = np.frombuffer(b',\n\r"', dtype=np.uint8)
_CELL = re.compile(rb'(?:"(?:[^"]|"")*+(?P<close>"|\Z))?[^,\r\n]*+(?P<end>,|\r\n|\r|\n|\Z)')

Offsets: TypeAlias = NDArray[np.int64]

_NOWHERE: Offsets = np.zeros(0, dtype=np.int64)


class Stream(Protocol):
    """What can be read block by block."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Lines:
    """The complete lines in a buffer: where the content of each ends, and where the line does."""

    content_ends: Offsets
    ends: Offsets


@dataclass(frozen=True, slots=True)
class Rows:
    """Some whole rows: row i is at `starts[i]` up to `ends[i]`, counted from the file's start.

    `raw` is the bytes from offset `at` on that hold them, with the blank lines between them.
    """

    starts: Offsets
    ends: Offsets
    at: int
    raw: bytes


Splitter: TypeAlias = Callable[[bytes, bool], Lines]


def scan(stream: Stream, split: Splitter, where: str, at: int = 0) -> Iterator[Rows]:
    """Yield the rows of a stream whose first byte is at `at`, in order, a block at a time.

    Raises:
        UnreadableData: a row does not end.
    """
    rest, last = b"", False
    while not last:
        block = stream.read(_BLOCK)
        last = not block
        if not at and block.startswith(_BOM):
            at, block = len(_BOM), block[len(_BOM) :]
        buffer = rest + block
        lines = split(buffer, last)
        used = int(lines.ends[-1]) if len(lines.ends) else 0
        yield _rows(lines, at, buffer[:used])
        at, rest = at + used, buffer[used:]
        if len(rest) > LONGEST_ROW or (last and rest):
            raise UnreadableData(
                f"{where}: the row that begins at byte {at} does not end within "
                f"{LONGEST_ROW >> 20} MiB; is a quote not closed?"
            )


def cut(pieces: Iterable[Rows], rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield chunks of so many rows.

    The locator holds the offset of the first byte, that after the last, the bytes of the longest
    row, and whether there is a quote.
    """
    index = rows = start = end = longest = quotes = 0
    for piece in pieces:
        lengths = piece.ends - piece.starts
        taken = 0
        while taken < len(lengths):
            if not rows:
                start, longest, quotes = int(piece.starts[taken]), 0, 0
            upto = min(taken + rows_per_chunk - rows, len(lengths))
            longest = max(longest, int(lengths[taken:upto].max()))
            quotes |= b'"' in piece.raw
            end = int(piece.ends[upto - 1])
            rows += upto - taken
            taken = upto
            if rows == rows_per_chunk:
                yield Chunk(index, index * rows_per_chunk, rows, (start, end, longest, quotes))
                index, rows = index + 1, 0
    if rows:
        yield Chunk(index, index * rows_per_chunk, rows, (start, end, longest, quotes))


def rows_in(buffer: bytes, split: Splitter) -> list[bytes]:
    """Return the rows of a buffer that holds whole rows, each with its line end."""
    rows = _rows(split(buffer, True), 0, buffer)
    return [buffer[start:end] for start, end in zip(rows.starts, rows.ends, strict=True)]


def cells_in(row: bytes) -> int:
    """Return how many cells a row of CSV has."""
    if b'"' not in row:
        return row.count(b",") + 1
    cells = position = 0
    while True:
        cell = _CELL.match(row, position)
        assert cell is not None  # the pattern matches anywhere
        cells, position = cells + 1, cell.end()
        if cell["end"] != b",":
            return cells


def require_utf8(raw: bytes, at: int, path: Path, where: str) -> None:
    """Check that the bytes of a file from an offset on are text.

    Raises:
        UnreadableData: a byte is not UTF-8; names it.
    """
    if raw.isascii():
        return
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        offset = at + error.start
        with path.open("rb") as stream:
            line = line_number(stream, offset)
        raise UnreadableData(
            f"{where}, line {line}: not UTF-8: byte 0x{raw[error.start]:02X} at offset "
            f"{offset}; save the file as UTF-8"
        ) from None


def line_number(stream: Stream, offset: int) -> int:
    """Return the line, counted from one, in which the byte at an offset of a new stream is."""
    line, before = 1, b""
    while block := stream.read(min(offset, _BLOCK)):
        line += block.count(b"\n") + block.count(b"\r") - (before + block).count(b"\r\n")
        before, offset = block[-1:], offset - len(block)
    return line


def split_csv(buffer: bytes, last: bool) -> Lines:
    """Split a buffer that begins with a row; `last` says that nothing comes after it."""
    codes = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE) if b'"' in buffer else _NOWHERE
    if len(quotes) and not _open_cells(codes, quotes[::2]):
        return _split_cell_by_cell(buffer, last)
    feeds = _outside(np.flatnonzero(codes == _LF), quotes)
    lines = Lines(feeds, feeds + 1)
    if b"\r" in buffer:
        returns = _outside(np.flatnonzero(codes == _CR), quotes)
        lines = _with_returns(codes, feeds, returns, last)
    return lines if len(quotes) % 2 else _with_last(lines, buffer, last)


def split_lines(buffer: bytes, last: bool) -> Lines:
    """Split a buffer that begins with a line, whatever is in it; `last` as in `split_csv`."""
    codes = np.frombuffer(buffer, dtype=np.uint8)
    feeds = np.flatnonzero(codes == _LF)
    lines = _with_last(Lines(feeds, feeds + 1), buffer, last)
    starts = _starts(lines)
    content_ends = lines.content_ends.copy()
    for line in np.flatnonzero(codes[np.minimum(starts, len(codes) - 1)] <= ord(" ")):
        if not buffer[starts[line] : content_ends[line]].strip():
            content_ends[line] = starts[line]
    return Lines(content_ends, lines.ends)


def _rows(lines: Lines, at: int, raw: bytes) -> Rows:
    starts = _starts(lines)
    filled = lines.content_ends > starts
    return Rows(starts[filled] + at, lines.ends[filled] + at, at, raw)


def _starts(lines: Lines) -> Offsets:
    starts = np.zeros(len(lines.ends), dtype=np.int64)
    starts[1:] = lines.ends[:-1]
    return starts


def _open_cells(codes: NDArray[np.uint8], opening: Offsets) -> bool:
    """Whether each of these quotes stands where a quoted cell begins, or doubles the one before."""
    before = codes[opening[opening > 0] - 1]
    return bool(np.isin(before, _OPENED_AFTER).all())


def _outside(positions: Offsets, quotes: Offsets) -> Offsets:
    """Return the positions that have an even number of quotes before them."""
    if not len(quotes):
        return positions
    outside: Offsets = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return outside


def _with_returns(codes: NDArray[np.uint8], feeds: Offsets, returns: Offsets, last: bool) -> Lines:
    """Return the lines that end at a line feed, at a carriage return, or at both together."""
    if not last and len(returns) and returns[-1] == len(codes) - 1:
        returns = returns[:-1]  # whether a line feed follows will be seen with the next block
    followed = np.zeros(len(returns), dtype=bool)
    within = returns + 1 < len(codes)
    followed[within] = codes[returns[within] + 1] == _LF
    preceded = np.isin(feeds - 1, returns)
    alone = returns[~followed]
    return Lines(
        np.sort(np.concatenate([feeds - preceded, alone])),
        np.sort(np.concatenate([feeds + 1, alone + 1])),
    )


def _with_last(lines: Lines, buffer: bytes, last: bool) -> Lines:
    """Add what stands after the last line end, if nothing more comes."""
    size = len(buffer)
    if not last or size == (lines.ends[-1] if len(lines.ends) else 0):
        return lines
    return Lines(np.append(lines.content_ends, size), np.append(lines.ends, size))


def _split_cell_by_cell(buffer: bytes, last: bool) -> Lines:
    """Split where quotes also stand in the middle of cells; exact, and slower."""
    content_ends: list[int] = []
    ends: list[int] = []
    position = 0
    while position < len(buffer):
        cell = _CELL.match(buffer, position)
        assert cell is not None  # the pattern matches anywhere
        position = cell.end()
        terminator = cell["end"]
        undecided = position == len(buffer) and terminator in (b"", b"\r")
        if cell["close"] == b"" or (undecided and not last):
            break
        if terminator != b",":
            content_ends.append(cell.start("end"))
            ends.append(position)
    else:
        if buffer.endswith(b",") and last:
            content_ends.append(position)
            ends.append(position)
    return Lines(np.array(content_ends, dtype=np.int64), np.array(ends, dtype=np.int64))
