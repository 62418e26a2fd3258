"""Reads a table of a database."""

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from adapters.sql.cells import Fingerprint, as_column, canonical
from adapters.sql.row_order import RowOrder, layout_of
from adapters.sql.snapshot import Snapshot, take
from adapters.sql.table_name import TableName
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.errors import ChecksumMismatch, InvalidData, UnreadableData

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Scan:
    """One pass over all rows, in one statement and therefore of one moment."""

    version: DatasetVersion
    chunks: tuple[Chunk, ...]


class SqlSource:
    """A `DataSource` over a table or view: `dialect+driver://user@host/database#schema.table`.

    Rows come in the order of the primary key, texts in it by their bytes. Without a primary key,
    SQLite's come in the order in which they were put in (its row id), those of others ordered by
    all columns. With a single integer as key (or row id), chunks are ranges of it and cost what
    they hold; otherwise the table is sorted for each chunk.

    The version is the SHA-256 of all cells in that order, the same wherever the same rows with
    the same primary key are kept.

    Everything is read as it was at the first look, whatever is written meanwhile, also by the
    workers that an instance is sent to: PostgreSQL keeps a snapshot as long as the instance is
    there, an SQLite file is copied. Other databases keep none: there `plan` passes over the table
    once more and gives every chunk the fingerprints of its columns, and a table that was changed
    since the first look raises `ChecksumMismatch`.
    """

    def __init__(self, url: str, snapshot: str | None = None) -> None:
        """Name the table; `snapshot` is one that another instance has taken of the database."""
        self._url = url
        self._table = TableName.parse(url, unusable=UnreadableData)
        if snapshot is not None:
            self.__dict__["_snapshot"] = Snapshot(self._table.database, snapshot)

    def __reduce__(self) -> tuple[type["SqlSource"], tuple[str, str]]:
        return type(self), (self._url, self._snapshot.name)

    @cached_property
    def version(self) -> DatasetVersion:
        return self._scan(None).version

    @property
    def columns(self) -> tuple[str, ...]:
        return self._layout.names

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        if self._snapshot.is_kept:
            return self._plan(rows_per_chunk)
        scan = self._scan(rows_per_chunk)
        if scan.version != self.__dict__.setdefault("version", scan.version):
            raise ChecksumMismatch(f"{self._table.uri}: the table was changed; begin again")
        return iter(scan.chunks)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        layout = self._layout
        lacking = [name for name in columns if name not in layout.names]
        if lacking:
            raise InvalidData(
                f"{self._table.uri}: no column {lacking[0]!r}; "
                f"it has {', '.join(map(repr, layout.names))}"
            )
        names = list(columns)
        cells = self._fetch(layout.within(chunk, names), len(names))
        if not self._snapshot.is_kept:
            self._require_unchanged(chunk, names, cells)
        return Table(
            {
                name: as_column(column, columns[name], boolean=name in layout.booleans)
                for name, column in zip(names, cells[1:], strict=True)
            },
            chunk.rows,
        )

    def _fetch(self, query: sa.Select[Any], columns: int) -> list[list[Any]]:
        cells: list[list[Any]] = [[] for _ in range(columns + 1)]
        with self._snapshot.connect() as connection:
            for part in _stream(connection, query):
                for column, added in zip(cells, zip(*part, strict=True), strict=True):
                    column.extend(added)
        return cells

    def _require_unchanged(
        self, chunk: Chunk, names: Sequence[str], cells: Sequence[Sequence[Any]]
    ) -> None:
        changed = len(cells[0]) != chunk.rows
        expected = chunk.locator[-len(self.columns) :]
        for name, column in zip(names, cells[1:], strict=True):
            fingerprint = Fingerprint()
            fingerprint.update(canonical(column))
            changed |= fingerprint.short != expected[self.columns.index(name)]
        if changed:
            raise ChecksumMismatch(
                f"{self._table.uri}: rows {chunk.start + 1} to {chunk.start + chunk.rows} "
                f"were changed since the table was fingerprinted; begin again"
            )

    @cached_property
    def _snapshot(self) -> Snapshot:
        self._table.database.require_file()
        snapshot, let_go = take(self._table)
        weakref.finalize(self, let_go)
        return snapshot

    @cached_property
    def _layout(self) -> RowOrder:
        with self._snapshot.connect() as connection:
            return layout_of(self._table, connection)

    def _plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Cut the rows without looking at more than their keys."""
        rows = self.version.rows
        starts = range(0, rows, rows_per_chunk)
        keys = self._first_keys(rows_per_chunk)
        for index, start in enumerate(starts):
            where = (keys[index], keys[index + 1] - 1) if keys else ()
            yield Chunk(index, start, min(rows_per_chunk, rows - start), where)

    def _first_keys(self, rows_per_chunk: int) -> list[int]:
        """Return the key each chunk begins with and one beyond the last; nothing without keys."""
        layout = self._layout
        if layout.range_key is None:
            return []
        with self._snapshot.connect() as connection:
            found = [*connection.scalars(layout.every(rows_per_chunk))]
            last = connection.scalar(layout.last_key)
        return [] if last is None else [*found, last + 1]

    def _scan(self, rows_per_chunk: int | None) -> Scan:
        layout = self._layout
        whole, chunk = _Tally.empty(layout), _Tally.empty(layout)
        chunks: list[Chunk] = []
        with self._snapshot.connect() as connection:
            for part in _stream(connection, layout.select(layout.names)):
                for piece in _cut(part, rows_per_chunk, chunk.rows):
                    keys, *columns = zip(*piece, strict=True)
                    self._require_integers(keys)
                    cells = [canonical(column) for column in columns]
                    whole.add(keys, cells)
                    if rows_per_chunk is not None:
                        chunk.add(keys, cells)
                        if chunk.rows == rows_per_chunk:
                            chunks.append(chunk.chunk(len(chunks), whole.rows))
                            chunk = _Tally.empty(layout)
        if chunk.rows:
            chunks.append(chunk.chunk(len(chunks), whole.rows))
        version = DatasetVersion(self._table.uri, whole.sha256(layout.names), whole.rows)
        return Scan(version, tuple(chunks))

    def _require_integers(self, keys: Sequence[Any]) -> None:
        if {*map(type, keys)} != {int}:
            key = getattr(self._layout.range_key, "name", "")
            raise UnreadableData(
                f"{self._table.uri}: the primary key {key!r} is declared as integer, "
                f"but some row holds something else in it"
            )


@dataclass(slots=True)
class _Tally:
    """What is known of consecutive rows without keeping them."""

    fingerprints: tuple[Fingerprint, ...]
    has_range: bool
    rows: int = 0
    low: int = 0
    high: int = 0

    @classmethod
    def empty(cls, layout: RowOrder) -> "_Tally":
        return cls(tuple(Fingerprint() for _ in layout.names), layout.range_key is not None)

    def add(self, keys: Sequence[int], cells: Sequence[bytes]) -> None:
        self.low = self.low if self.rows else keys[0]
        self.high = keys[-1]
        self.rows += len(keys)
        for fingerprint, column in zip(self.fingerprints, cells, strict=True):
            fingerprint.update(column)

    def chunk(self, index: int, end: int) -> Chunk:
        where = (self.low, self.high) if self.has_range else ()
        what = tuple(fingerprint.short for fingerprint in self.fingerprints)
        return Chunk(index, end - self.rows, self.rows, (*where, *what))

    def sha256(self, names: Sequence[str]) -> str:
        columns = [[n, f.hex] for n, f in zip(names, self.fingerprints, strict=True)]
        return sha256(json.dumps([self.rows, columns]).encode()).hexdigest()


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield the rows in lists, fetched as they are needed."""
    return connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query).partitions()


def _cut(
    part: Sequence[sa.Row[Any]], rows_per_chunk: int | None, begun: int
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Cut rows where a chunk ends, `begun` rows being in the current one already."""
    if rows_per_chunk is None:
        yield part
        return
    end = min(rows_per_chunk - begun, len(part))
    yield part[:end]
    for start in range(end, len(part), rows_per_chunk):
        yield part[start : start + rows_per_chunk]
