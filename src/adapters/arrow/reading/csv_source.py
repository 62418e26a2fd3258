"""CSV files, read a chunk at a time."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from adapters.arrow.reading.compressed_file import input_file
from adapters.arrow.reading.from_arrow import not_a_number, text_to_column, to_column
from adapters.arrow.reading.text_lines import (
    Rows,
    cells_in,
    cut,
    line_number,
    require_utf8,
    rows_in,
    scan,
    split_csv,
)
from adapters.arrow.reading.watched_file import Digests, require_column
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Column, Table
from domain.errors import UnreadableData, Violation

_BLOCK = 1 << 20
_TEXT = pa.string()
_TYPES = {
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.CATEGORY: pa.dictionary(pa.int32(), _TEXT),
    None: _TEXT,
}


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    end: int


class CsvSource:
    """A CSV file with a header: UTF-8, commas, quotes doubled inside quotes.

    An empty cell is missing; nothing else is. A row with more or fewer cells than the header is a
    fault of the table that is read. `uri` says where the file is from, if that is not
    its path.
    """

    def __init__(self, path: Path, uri: str | None = None, *, with_md5: bool = True) -> None:
        self._file = input_file(path)
        self._uri = uri or str(path)
        self._with_md5 = with_md5
        self._version: DatasetVersion | None = None
        self._header: _Header | None = None

    @property
    def version(self) -> DatasetVersion:
        """The digests of the file and the number of its rows, found at the first call."""
        if self._version is None:
            self._version = self._fingerprint()
        return self._version

    @property
    def columns(self) -> tuple[str, ...]:
        return self._read_header().names

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        begin = self._read_header().end
        with self._file.opened() as stream:
            stream.seek(begin)
            yield from cut(scan(stream, split_csv, self._uri, begin), rows_per_chunk)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        for name in columns:
            require_column(name, self.columns, self._uri)
        if not columns:  # to Arrow, none would mean all
            return Table({}, chunk.rows)
        start, end, longest, quotes = chunk.locator
        layout = _Layout(self.columns, columns, longest, bool(quotes))
        with self._file.unchanged(), pa.OSFile(str(self._file.path)) as file:
            found = layout.read(lambda: file.get_stream(start, end - start), chunk.rows)
            if found is not None:
                return Table(found, chunk.rows)
            return self._read_around(chunk, layout, file.read_at(end - start, start))

    def _read_around(self, chunk: Chunk, layout: "_Layout", raw: bytes) -> Table:
        """Read what can be read, and say of the other rows what is wrong with them."""
        require_utf8(raw, chunk.locator[0], self._file.path, self._uri)
        rows = rows_in(raw, split_csv)
        faults = tuple(_faults(rows, len(self.columns)))
        faulty = [fault.row for fault in faults]
        good = np.setdiff1d(np.arange(len(rows)), faulty)
        content = b"".join(rows[row] for row in good.tolist())
        if not content:
            nothing = {name: np.full(len(rows), None) for name in layout.wanted}
            return Table(nothing, len(rows), faults)
        found = layout.read(lambda: BytesIO(content), len(good))
        if found is None or len(rows) != chunk.rows:
            with self._file.opened() as stream:
                line = line_number(stream, chunk.locator[0])
            raise UnreadableData(f"{self._uri}: the rows from line {line} on cannot be parsed")
        # A row that cannot be read gets the cells of another: what they are means nothing.
        places = np.minimum(np.searchsorted(good, np.arange(len(rows))), len(good) - 1)
        return Table({name: column[places] for name, column in found.items()}, len(rows), faults)

    def _fingerprint(self) -> DatasetVersion:
        rows = -1
        with self._file.opened() as stream:
            digests = Digests(stream, with_md5=self._with_md5)
            for piece in scan(digests, split_csv, self._uri):
                require_utf8(piece.raw, piece.at, self._file.path, self._uri)
                rows += len(piece.starts)
        if rows < 0:
            raise UnreadableData(f"{self._uri} is empty")
        return DatasetVersion(self._uri, digests.sha256, rows, digests.md5)

    def _read_header(self) -> _Header:
        if self._header is None:
            with self._file.opened() as stream:
                pieces = scan(stream, split_csv, self._uri)
                piece = next((piece for piece in pieces if len(piece.starts)), None)
            if piece is None:
                raise UnreadableData(f"{self._uri} is empty")
            self._header = self._parse_header(piece)
        return self._header

    def _parse_header(self, piece: Rows) -> _Header:
        start, end = int(piece.starts[0]), int(piece.ends[0])
        raw = piece.raw[start - piece.at : end - piece.at]
        require_utf8(raw, start, self._file.path, self._uri)
        try:
            names = next(csv.reader(StringIO(raw.decode(), newline="")))
        except csv.Error as error:
            raise UnreadableData(f"{self._uri}: the header cannot be parsed: {error}") from error
        return _Header(tuple(names), end)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns of a file are wanted, and what its rows are like."""

    names: tuple[str, ...]
    wanted: Mapping[str, Kind | None]
    longest: int
    quotes: bool

    def read(self, opened: Callable[[], Any], rows: int) -> dict[str, Column] | None:
        """Return the wanted columns; None where there are not so many rows of that many cells."""
        parsed, convert = self._parse(opened(), _TYPES), to_column
        if parsed is None or any(map(not_a_number, parsed.columns)):
            texts = dict.fromkeys(_TYPES, _TEXT)
            parsed, convert = self._parse(opened(), texts), text_to_column
        if parsed is None or parsed.num_rows != rows:
            return None
        return {
            name: convert(values, kind)
            for (name, kind), values in zip(self.wanted.items(), parsed.columns, strict=True)
        }

    def _parse(self, stream: Any, types: Mapping[Kind | None, pa.DataType]) -> pa.Table | None:
        """Return the columns in these types; None where a row or a cell is not so."""
        places = {str(self.names.index(name)): types[kind] for name, kind in self.wanted.items()}
        try:
            return arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(
                    column_names=[str(position) for position in range(len(self.names))],
                    block_size=max(_BLOCK, 2 * self.longest),
                ),
                arrow_csv.ParseOptions(newlines_in_values=self.quotes),
                arrow_csv.ConvertOptions(
                    include_columns=list(places),
                    column_types=places,
                    null_values=[""],
                    strings_can_be_null=True,
                    true_values=["true", "True", "TRUE", "1"],
                    false_values=["false", "False", "FALSE", "0"],
                ),
            )
        except pa.ArrowInvalid:
            return None


def _faults(rows: Sequence[bytes], width: int) -> Iterator[Violation]:
    for number, row in enumerate(rows):
        cells = cells_in(row)
        if cells != width:
            lines = len(row.splitlines())
            problem = f"has {cells} {'cell' if cells == 1 else 'cells'}"
            problem += f" over {lines} lines" if lines > 1 else ""
            yield Violation(number, "", problem, f"{width} cells, as the header has")
