"""CSV files, read a chunk at a time."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from adapters.arrow.columns import not_a_number, text_to_column, to_column
from adapters.arrow.files import Digests, WatchedFile, require_column
from adapters.arrow.lines import Rows, cut, line_number, require_utf8, scan, split_csv
from domain.dataset import Chunk, DatasetVersion
from domain.errors import UnreadableData
from domain.feature import Kind
from domain.table import Table

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

    An empty cell is missing; nothing else is. `uri` says where the file is from, if that is not
    its path.
    """

    def __init__(self, path: Path, uri: str | None = None) -> None:
        self._file = WatchedFile(path)
        self._uri = uri or str(path)
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
        with self._file.watched():
            parsed = self._parse(chunk, columns, _TYPES)
            if parsed is not None and not any(map(not_a_number, parsed.columns)):
                convert = to_column
            else:
                parsed = self._parse(chunk, columns, dict.fromkeys(_TYPES, _TEXT))
                convert = text_to_column
            if parsed is None or parsed.num_rows != chunk.rows:
                raise self._explain(chunk)
        return Table(
            {
                name: convert(values, kind)
                for (name, kind), values in zip(columns.items(), parsed.columns, strict=True)
            },
            chunk.rows,
        )

    def _fingerprint(self) -> DatasetVersion:
        rows = -1
        with self._file.opened() as stream:
            digests = Digests(stream)
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

    def _parse(
        self,
        chunk: Chunk,
        columns: Mapping[str, Kind | None],
        types: Mapping[Kind | None, pa.DataType],
    ) -> pa.Table | None:
        """Return some columns of a chunk in these types; None where a row or a cell is not so."""
        start, end, longest, quotes = chunk.locator
        names = self.columns
        wanted = {str(names.index(name)): types[kind] for name, kind in columns.items()}
        with pa.OSFile(str(self._file.path)) as file:
            try:
                return arrow_csv.read_csv(
                    file.get_stream(start, end - start),
                    arrow_csv.ReadOptions(
                        column_names=[str(position) for position in range(len(names))],
                        block_size=max(_BLOCK, 2 * longest),
                    ),
                    arrow_csv.ParseOptions(newlines_in_values=bool(quotes)),
                    arrow_csv.ConvertOptions(
                        include_columns=list(wanted),
                        column_types=wanted,
                        null_values=[""],
                        strings_can_be_null=True,
                        true_values=["true", "True", "TRUE", "1"],
                        false_values=["false", "False", "FALSE", "0"],
                    ),
                )
            except pa.ArrowInvalid:
                return None

    def _explain(self, chunk: Chunk) -> UnreadableData:
        """Return what is wrong with a chunk that cannot be parsed."""
        start, end, *_ = chunk.locator
        with self._file.opened() as stream:
            line = line_number(stream, start)
            raw = stream.read(end - start)
        require_utf8(raw, start, self._file.path, self._uri)
        width = len(self.columns)
        cells = csv.reader(StringIO(raw.decode(), newline=""))
        before = 0
        try:
            for row in cells:
                if row and len(row) != width:
                    return UnreadableData(
                        f"{self._uri}, line {line + before}: {len(row)} "
                        f"{'cell' if len(row) == 1 else 'cells'} where the header has {width}"
                    )
                before = cells.line_num
        except csv.Error:
            pass
        return UnreadableData(f"{self._uri}: the rows from line {line} on cannot be parsed")
