"""Offsets of the rows of a text file, found in one pass over blocks of bytes.

The rules are those of Arrow's readers. CSV: a row ends at a line feed, a carriage return or both,
outside of quotes; a quote begins a quoted cell only at the start of the cell; two quotes inside a
quoted cell are one. JSON Lines: a row ends at a line feed. Blank lines are skipped.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.arrow.reading.compressed_file import CompressedFile
from adapters.arrow.reading.watched_file import Digests, WatchedFile
from domain.data.dataset import Chunk, DatasetVersion
from domain.errors import UnreadableData

MAX_ROW_BYTES = 64 << 20
_BLOCK = 2 << 20
_BOM = b"\xef\xbb\xbf"

_MAGIC = {
    b"\x1f\x8b": "is compressed by gzip; its name must end in .gz",
    b"\x28\xb5\x2f\xfd": "is compressed by Zstandard; its name must end in .zst",
    b"PAR1": "is a Parquet file; its name must end in .parquet",
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook; save it as CSV",
    b"\xff\xfe": "is UTF-16; name its encoding: --encoding utf-16",
    b"\xfe\xff": "is UTF-16; name its encoding: --encoding utf-16",
}
_LF, _CR, _QUOTE = 10, 13, 34
_COMMA = b","

Offsets: TypeAlias = NDArray[np.int64]

_NO_OFFSETS: Offsets = np.zeros(0, dtype=np.int64)


class Stream(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class LineEnds:
    """Offsets in a buffer at which the content of each complete line, and the line itself, ends."""

    content_ends: Offsets
    ends: Offsets


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Complete rows: row i is `starts[i]` to `ends[i]`, as offsets in the file.

    `raw` is the bytes of these rows and of blank lines, from `offset` in the file on.
    """

    starts: Offsets
    ends: Offsets
    offset: int
    raw: bytes


Splitter: TypeAlias = Callable[[bytes, bool], LineEnds]


def scan(stream: Stream, split: Splitter, where: str, offset: int = 0) -> Iterator[RowBlock]:
    """Yield the rows of a stream in order, block by block; `offset` is that of its first byte.

    Raises:
        UnreadableData: a row does not end.
    """
    rest, last = b"", False
    while not last:
        block = stream.read(_BLOCK)
        last = not block
        if not offset and block.startswith(_BOM):
            offset, block = len(_BOM), block[len(_BOM) :]
        buffer = rest + block
        lines = split(buffer, last)
        used = int(lines.ends[-1]) if len(lines.ends) else 0
        yield _row_block(lines, offset, buffer[:used])
        offset, rest = offset + used, buffer[used:]
        if len(rest) > MAX_ROW_BYTES or (last and rest):
            raise UnreadableData(
                f"{where}: the row that begins at byte {offset} does not end within "
                f"{MAX_ROW_BYTES >> 20} MiB; is a quote not closed?"
            )


def fingerprint(
    file: WatchedFile | CompressedFile,
    uri: str,
    split: Splitter,
    header_rows: int,
    *,
    with_md5: bool,
) -> DatasetVersion:
    """Return the version of a text file; its rows do not include those of the header.

    Raises:
        UnreadableData: the header is missing, a row does not end, or a byte is not UTF-8.
    """
    rows = 0
    with file.opened() as stream:
        digests = Digests(stream, with_md5=with_md5)
        for block in scan(digests, split, uri):
            require_utf8(block.raw, block.offset, file.path, uri)
            rows += len(block.starts)
    if rows < header_rows:
        raise UnreadableData(f"{uri} is empty")
    return DatasetVersion(uri, digests.sha256, rows - header_rows, digests.md5)


def to_chunks(blocks: Iterable[RowBlock], rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield chunks of `rows_per_chunk` rows; the last may be shorter.

    A locator is: offset of the first byte, offset after the last byte, length of the longest row in
    bytes, 1 if there is a quote.
    """
    index = rows = start = end = longest = quotes = 0
    for block in blocks:
        lengths = block.ends - block.starts
        taken = 0
        while taken < len(lengths):
            if not rows:
                start, longest, quotes = int(block.starts[taken]), 0, 0
            stop = min(taken + rows_per_chunk - rows, len(lengths))
            longest = max(longest, int(lengths[taken:stop].max()))
            quotes |= b'"' in block.raw
            end = int(block.ends[stop - 1])
            rows += stop - taken
            taken = stop
            if rows == rows_per_chunk:
                yield Chunk(index, index * rows_per_chunk, rows, (start, end, longest, quotes))
                index, rows = index + 1, 0
    if rows:
        yield Chunk(index, index * rows_per_chunk, rows, (start, end, longest, quotes))


def rows_in(buffer: bytes, split: Splitter) -> list[bytes]:
    """Return the rows of a buffer of complete rows, each with its line end."""
    rows = _row_block(split(buffer, True), 0, buffer)
    return [buffer[start:end] for start, end in zip(rows.starts, rows.ends, strict=True)]


@cache
def _cell(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a cell and what ends it."""
    end = re.escape(delimiter)
    quoted = rb'(?:"(?:[^"]|"")*+(?P<close>"|\Z))?'
    return re.compile(quoted + b"[^" + end + rb"\r\n]*+(?P<end>" + end + rb"|\r\n|\r|\n|\Z)")


def cells_in(row: bytes, delimiter: bytes = _COMMA) -> int:
    """Return the number of cells in a row of CSV."""
    if b'"' not in row:
        return row.count(delimiter) + 1
    cells = position = 0
    while True:
        cell = _cell(delimiter).match(row, position)
        assert cell is not None  # the pattern matches anywhere
        cells, position = cells + 1, cell.end()
        if cell["end"] != delimiter:
            return cells


def additional_cells(row: bytes, width: int, delimiter: bytes = _COMMA) -> tuple[int, bool]:
    """Return how many cells a row has behind the first `width`, and whether these are empty.

    The number is negative if the row has fewer than `width` cells.
    """
    extra = cells_in(row, delimiter) - width
    return extra, extra > 0 and row.rstrip(b"\r\n").endswith(delimiter * extra)


def without_last_cells(row: bytes, cells: int) -> bytes:
    """Return a row without its last cells, which are empty; a row of one empty cell is quoted."""
    content = row.rstrip(b"\r\n")
    return (content[: len(content) - cells] or b'""') + row[len(content) :]


def require_utf8(raw: bytes, start: int, path: Path, where: str) -> None:
    """Check that bytes of a file, which begin at an offset, are UTF-8.

    Raises:
        UnreadableData: a byte is not; gives its line and offset.
    """
    if raw.isascii():
        return
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        if what := _named_wrongly(path):
            raise UnreadableData(f"{where} {what}") from None
        offset = start + error.start
        with path.open("rb") as stream:
            line = line_number(stream, offset)
        raise UnreadableData(
            f"{where}, line {line}: not UTF-8: byte 0x{raw[error.start]:02X} at offset "
            f"{offset}; save the file as UTF-8, or name its encoding (--encoding), such as latin-1"
        ) from None


def _named_wrongly(path: Path) -> str:
    """Return what a file is by its first bytes, if that is no UTF-8."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "")


def line_number(stream: Stream, offset: int) -> int:
    """Return the line number, from 1, of the byte at an offset of a stream."""
    line, before = 1, b""
    while block := stream.read(min(offset, _BLOCK)):
        line += block.count(b"\n") + block.count(b"\r") - (before + block).count(b"\r\n")
        before, offset = block[-1:], offset - len(block)
    return line


def split_csv(buffer: bytes, last: bool, delimiter: bytes = _COMMA) -> LineEnds:
    """Split a buffer that begins with a row; `last` if no bytes follow the buffer."""
    codes = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE) if b'"' in buffer else _NO_OFFSETS
    if len(quotes) and not _begin_cells(codes, quotes[::2], delimiter):
        return _split_cell_by_cell(buffer, last, delimiter)
    feeds = _outside(np.flatnonzero(codes == _LF), quotes)
    lines = LineEnds(feeds, feeds + 1)
    if b"\r" in buffer:
        returns = _outside(np.flatnonzero(codes == _CR), quotes)
        lines = _with_returns(codes, feeds, returns, last)
    return lines if len(quotes) % 2 else _with_last(lines, buffer, last)


def split_lines(buffer: bytes, last: bool) -> LineEnds:
    """Split a buffer at line feeds; `last` as in `split_csv`. Blank lines have no content."""
    codes = np.frombuffer(buffer, dtype=np.uint8)
    feeds = np.flatnonzero(codes == _LF)
    lines = _with_last(LineEnds(feeds, feeds + 1), buffer, last)
    starts = _starts(lines)
    content_ends = lines.content_ends.copy()
    for line in np.flatnonzero(codes[np.minimum(starts, len(codes) - 1)] <= ord(" ")):
        if not buffer[starts[line] : content_ends[line]].strip():
            content_ends[line] = starts[line]
    return LineEnds(content_ends, lines.ends)


def _row_block(lines: LineEnds, offset: int, raw: bytes) -> RowBlock:
    starts = _starts(lines)
    filled = lines.content_ends > starts
    return RowBlock(starts[filled] + offset, lines.ends[filled] + offset, offset, raw)


def _starts(lines: LineEnds) -> Offsets:
    starts = np.zeros(len(lines.ends), dtype=np.int64)
    starts[1:] = lines.ends[:-1]
    return starts


def _begin_cells(codes: NDArray[np.uint8], quotes: Offsets, delimiter: bytes) -> bool:
    """Whether each of these quotes begins a quoted cell, or doubles the quote before it."""
    before = codes[quotes[quotes > 0] - 1]
    return bool(np.isin(before, np.frombuffer(delimiter + b'\n\r"', np.uint8)).all())


def _outside(positions: Offsets, quotes: Offsets) -> Offsets:
    """Return the positions outside of quotes: with an even number of quotes before them."""
    if not len(quotes):
        return positions
    outside: Offsets = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return outside


def _with_returns(
    codes: NDArray[np.uint8], feeds: Offsets, returns: Offsets, last: bool
) -> LineEnds:
    """Return the lines that end with a line feed, a carriage return, or both."""
    if not last and len(returns) and returns[-1] == len(codes) - 1:
        returns = returns[:-1]  # the next block may begin with its line feed
    followed = np.zeros(len(returns), dtype=bool)
    within = returns + 1 < len(codes)
    followed[within] = codes[returns[within] + 1] == _LF
    preceded = np.isin(feeds - 1, returns)
    alone = returns[~followed]
    return LineEnds(
        np.sort(np.concatenate([feeds - preceded, alone])),
        np.sort(np.concatenate([feeds + 1, alone + 1])),
    )


def _with_last(lines: LineEnds, buffer: bytes, last: bool) -> LineEnds:
    """Add the rest after the last line end as a line, if no bytes follow the buffer."""
    size = len(buffer)
    if not last or size == (lines.ends[-1] if len(lines.ends) else 0):
        return lines
    return LineEnds(np.append(lines.content_ends, size), np.append(lines.ends, size))


def _split_cell_by_cell(buffer: bytes, last: bool, delimiter: bytes) -> LineEnds:
    """Split a buffer with quotes in the middle of cells; exact, but slower."""
    content_ends: list[int] = []
    ends: list[int] = []
    position = 0
    while position < len(buffer):
        cell = _cell(delimiter).match(buffer, position)
        assert cell is not None  # the pattern matches anywhere
        position = cell.end()
        terminator = cell["end"]
        undecided = position == len(buffer) and terminator in (b"", b"\r")
        if cell["close"] == b"" or (undecided and not last):
            break
        if terminator != delimiter:
            content_ends.append(cell.start("end"))
            ends.append(position)
    else:
        if buffer.endswith(delimiter) and last:
            content_ends.append(position)
            ends.append(position)
    return LineEnds(np.array(content_ends, dtype=np.int64), np.array(ends, dtype=np.int64))
