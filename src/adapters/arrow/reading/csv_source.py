"""CSV files, read a chunk at a time."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from adapters.arrow.reading.compressed_file import input_file, suffix_of
from adapters.arrow.reading.csv_layout import CsvLayout, layout_of
from adapters.arrow.reading.from_arrow import has_nan, text_to_column, to_column
from adapters.arrow.reading.text_lines import (
    Splitter,
    additional_cells,
    cells_in,
    fingerprint,
    line_number,
    require_utf8,
    rows_in,
    scan,
    split_csv,
    to_chunks,
    without_last_cells,
)
from adapters.arrow.reading.watched_file import require_columns
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.dialect import UNKNOWN, Dialect
from domain.data.feature import Kind
from domain.data.table import Column, Table
from domain.data.value_type import ValueType
from domain.errors import UnreadableData, Violation

_BLOCK = 1 << 20
_HEAD = 1 << 16  # bytes that show the dialect
_TEXT = pa.string()
_TYPES = {
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.CATEGORY: pa.dictionary(pa.int32(), _TEXT),
    None: _TEXT,
}


class CsvSource:
    """A CSV file with a header, quotes doubled inside quotes.

    Its dialect is the given one, or as its first rows show. Only an empty cell is missing. A row
    that has not as many cells as the header is a violation in the table, unless every row of the
    file has the same number of additional cells and all are empty. `uri` is the original address
    of the file; default: its path.
    """

    def __init__(
        self,
        path: Path,
        uri: str | None = None,
        *,
        with_md5: bool = True,
        dialect: Dialect = UNKNOWN,
    ) -> None:
        self._file = input_file(path, dialect.encoding)
        self._dialect = dialect
        self._default = "\t" if suffix_of(path).startswith(".tsv") else ","
        self._uri = uri or str(path)
        self._with_md5 = with_md5

    @cached_property
    def version(self) -> DatasetVersion:
        """Digests and number of rows of the file; a given delimiter or decimal is part of it."""
        before = 1 + bool(self._layout.skipped)
        found = fingerprint(self._file, self._uri, self._split, before, with_md5=self._with_md5)
        given = [self._dialect.delimiter, self._dialect.decimal]
        if given == [None, None]:
            return found
        return replace(
            found, sha256=sha256(json.dumps([found.sha256, *given]).encode()).hexdigest()
        )

    @cached_property
    def _layout(self) -> CsvLayout:
        with self._file.opened() as stream:
            return layout_of(stream.read(_HEAD), self._dialect, self._default)

    @property
    def note(self) -> str:
        """What was detected of the dialect; empty if it is the usual one."""
        found = self._layout.note
        return found and f"{self._uri} is read with {found}"

    @property
    def _split(self) -> Splitter:
        return partial(split_csv, delimiter=self._layout.delimiter)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._header[0]

    @property
    def is_empty(self) -> bool:
        """Whether there is not even a header."""
        return self._first_row is None

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        return dict.fromkeys(names, ValueType.TEXT)

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        _, begin = self._header
        with self._file.opened() as stream:
            stream.seek(begin)
            yield from to_chunks(scan(stream, self._split, self._uri, begin), rows_per_chunk)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        require_columns(columns, self.columns, self._uri)
        if not columns:  # Arrow would return all
            return Table({}, chunk.rows)
        start, end, longest, quotes = chunk.locator
        parser = _Parser(self.columns, columns, self._layout, longest, bool(quotes))
        with self._file.unchanged(), pa.OSFile(str(self._file.path)) as file:
            found = parser.read(lambda: file.get_stream(start, end - start), chunk.rows)
            if found is not None:
                return Table(found, chunk.rows)
            return self._read_valid_rows(chunk, parser, file.read_at(end - start, start))

    def _read_valid_rows(self, chunk: Chunk, parser: "_Parser", raw: bytes) -> Table:
        """Read the rows of the right width; the others are violations."""
        require_utf8(raw, chunk.locator[0], self._file.path, self._uri)
        rows = self._without_padding(rows_in(raw, self._split))
        violations = tuple(_violations(rows, len(self.columns), self._layout.delimiter))
        valid = np.setdiff1d(np.arange(len(rows)), [each.row for each in violations])
        content = b"".join(rows[row] for row in valid.tolist())
        if not content:
            empty = {name: np.full(len(rows), None) for name in parser.wanted}
            return Table(empty, len(rows), violations)
        found = parser.read(lambda: BytesIO(content), len(valid))
        if found is None or len(rows) != chunk.rows:
            with self._file.opened() as stream:
                line = line_number(stream, chunk.locator[0])
            raise UnreadableData(f"{self._uri}: the rows from line {line} on cannot be parsed")
        # A row with a violation gets the cells of another row; they are not used.
        source = np.minimum(np.searchsorted(valid, np.arange(len(rows))), len(valid) - 1)
        columns = {name: column[source] for name, column in found.items()}
        return Table(columns, len(rows), violations)

    def _without_padding(self, rows: list[bytes]) -> list[bytes]:
        """Return the rows without the additional cells that are empty in the whole file."""
        width, delimiter = len(self.columns), self._layout.delimiter
        extra = [additional_cells(row, width, delimiter) for row in rows]
        if not any(is_empty for _, is_empty in extra) or not self._padding:
            return rows
        return [
            without_last_cells(row, cells) if cells == self._padding else row
            for row, (cells, _) in zip(rows, extra, strict=True)
        ]

    @cached_property
    def _padding(self) -> int:
        """The number of additional empty cells of every row that is not shorter than the header.

        It is 0 if a row has none of them, or a value in one: then the cells of a row may be
        shifted, by an unquoted delimiter in a text or by row names that the header does not name.
        Rows with more additional cells than the others do not count.
        """
        found: set[tuple[int, bool]] = set()
        (names, begin), delimiter = self._header, self._layout.delimiter
        with self._file.opened() as stream:
            stream.seek(begin)
            for block in scan(stream, self._split, self._uri, begin):
                rows = rows_in(block.raw, self._split)
                found.update(additional_cells(row, len(names), delimiter) for row in rows)
        fewest = min(cells for cells, _ in found if cells >= 0)
        return 0 if (fewest, False) in found else fewest

    @cached_property
    def _header(self) -> tuple[tuple[str, ...], int]:
        """The names of the columns, and the offset after the header."""
        if self._first_row is None:
            raise UnreadableData(f"{self._uri} is empty")
        raw, start = self._first_row
        require_utf8(raw, start, self._file.path, self._uri)
        try:
            text = StringIO(raw.decode(), newline="")
            names = next(csv.reader(text, delimiter=self._layout.delimiter.decode()))
        except csv.Error as error:
            raise UnreadableData(f"{self._uri}: the header cannot be parsed: {error}") from error
        if any("\0" in name for name in names):
            raise UnreadableData(
                f"{self._uri}: the header has zero bytes; if the file is UTF-16, name its encoding "
                f"(--encoding): utf-16-le or utf-16-be"
            )
        return tuple(names), start + len(raw)

    @cached_property
    def _first_row(self) -> tuple[bytes, int] | None:
        """The first row and its offset; None if there is none."""
        with self._file.opened() as stream:
            stream.seek(self._layout.skipped)
            for block in scan(stream, self._split, self._uri, self._layout.skipped):
                if len(block.starts):
                    start, end = int(block.starts[0]), int(block.ends[0])
                    return block.raw[start - block.offset : end - block.offset], start
        return None


@dataclass(frozen=True, slots=True)
class _Parser:
    """Parses columns of a chunk: `longest` row in bytes, and whether there are `quotes`."""

    names: tuple[str, ...]
    wanted: Mapping[str, Kind | None]
    layout: CsvLayout
    longest: int
    quotes: bool

    def read(self, open_stream: Callable[[], Any], rows: int) -> dict[str, Column] | None:
        """Return the wanted columns; None if this is not the number of rows of the right width."""
        convert: Callable[[pa.ChunkedArray, Kind | None], Column] = to_column
        parsed = self._parse(open_stream(), _TYPES)
        if parsed is None or any(map(has_nan, parsed.columns)):
            texts = dict.fromkeys(_TYPES, _TEXT)
            parsed = self._parse(open_stream(), texts)
            convert = partial(text_to_column, decimal=self.layout.decimal)
        if parsed is None or parsed.num_rows != rows:
            return None
        return {
            name: convert(values, kind)
            for (name, kind), values in zip(self.wanted.items(), parsed.columns, strict=True)
        }

    def _parse(self, stream: Any, types: Mapping[Kind | None, pa.DataType]) -> pa.Table | None:
        """Return the columns in these types; None if a row or a cell does not fit."""
        column_types = {
            str(self.names.index(name)): types[kind] for name, kind in self.wanted.items()
        }
        try:
            return arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(
                    column_names=[str(position) for position in range(len(self.names))],
                    block_size=max(_BLOCK, 2 * self.longest),
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.layout.delimiter.decode(), newlines_in_values=self.quotes
                ),
                arrow_csv.ConvertOptions(
                    include_columns=list(column_types),
                    column_types=column_types,
                    decimal_point=self.layout.decimal,
                    null_values=[""],
                    strings_can_be_null=True,
                    true_values=["true", "True", "TRUE", "1"],
                    false_values=["false", "False", "FALSE", "0"],
                ),
            )
        except pa.ArrowInvalid:
            return None


def _violations(rows: Sequence[bytes], width: int, delimiter: bytes) -> Iterator[Violation]:
    for number, row in enumerate(rows):
        cells = cells_in(row, delimiter)
        if cells != width:
            lines = len(row.splitlines())
            problem = f"has {cells} {'cell' if cells == 1 else 'cells'}"
            problem += f" over {lines} lines" if lines > 1 else ""
            allowed = f"{width} cells, as in the header"
            if additional_cells(row, width, delimiter)[1]:
                more = cells - width
                problem += f", the last {'one' if more == 1 else more} empty"
                allowed += "; more only if they are empty in all rows"
            yield Violation(number, "", problem, allowed)
