"""A table of a database as data source."""

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from adapters.sql.cells import Fingerprint, as_column, canonical, value_type
from adapters.sql.database import TableName
from adapters.sql.row_order import RowOrder, row_order_of
from adapters.sql.snapshot import Snapshot, take_snapshot
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType, common_type
from domain.errors import ChecksumMismatch, InvalidData, NotFound, UnreadableData

_ROWS_AT_ONCE = 8192


class SqlSource:
    """A `DataSource` over a table or view: `dialect+driver://user@host/database#schema.table`.

    Or over a query, `…#SELECT …`, whose rows are ordered by all columns. Every read of it is
    compared with its fingerprint, because a query may return other rows each time.

    Rows are ordered by the primary key, text by its bytes. Without a primary key they are ordered
    by the row id (SQLite) or by all columns (other databases). If the key is a single integer or
    the row id, a chunk is a range of it; otherwise each chunk sorts the table.

    The version is the SHA-256 of all cells in this order: the same for the same rows with the same
    primary key in any database.

    All reads return the state at the first access, also in workers and after later writes:
    PostgreSQL keeps a snapshot for the life of the instance, an SQLite file is copied. Other
    databases have no snapshot: `plan` reads the table once more and stores fingerprints of the
    columns in each chunk, and a change since the first access raises `ChecksumMismatch`.
    """

    def __init__(
        self, url: str, snapshot: str | None = None, since: tuple[str, Any] | None = None
    ) -> None:
        """Do not connect yet; `snapshot` is the name of one that another instance has taken.

        `since` is a column and a value: only rows with a greater value are read.
        """
        self._url, self._since = url, since
        self._table = TableName.parse(url, unusable=UnreadableData)
        self._types: dict[str, ValueType] = {}
        if snapshot is not None:
            self.__dict__["_snapshot"] = Snapshot(self._table.database, snapshot)

    def __reduce__(
        self,
    ) -> tuple[type["SqlSource"], tuple[str, str, tuple[str, Any] | None]]:
        return type(self), (self._url, self._snapshot.name, self._since)

    @cached_property
    def version(self) -> DatasetVersion:
        return self._scan(None)[0]

    @property
    def columns(self) -> tuple[str, ...]:
        return self._order.names

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        """Return the types of all values; the declared types of SQLite do not bind values."""
        _ = self.version
        return {name: self._types.get(name, ValueType.MISSING) for name in names}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        if not self._is_compared:
            return self._plan(rows_per_chunk)
        version, chunks = self._scan(rows_per_chunk)
        if version != self.__dict__.setdefault("version", version):
            raise ChecksumMismatch(
                f"{self._table.uri}: the table was changed, or the query returns other rows each "
                f"time; start again"
            )
        return iter(chunks)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        order = self._order
        missing = [name for name in columns if name not in order.names]
        if missing:
            raise self._no_column(missing[0], order)
        names = list(columns)
        cells = self._fetch(order.within(chunk, names), len(names))
        if self._is_compared:
            self._require_unchanged(chunk, names, cells)
        return Table(
            {
                name: as_column(column, columns[name], boolean=name in order.booleans)
                for name, column in zip(names, cells[1:], strict=True)
            },
            chunk.rows,
        )

    def _fetch(self, query: sa.Select[Any], columns: int) -> list[list[Any]]:
        cells: list[list[Any]] = [[] for _ in range(columns + 1)]
        with self._snapshot.connect() as connection:
            for rows in _stream(connection, query):
                for column, added in zip(cells, zip(*rows, strict=True), strict=True):
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
                f"were changed since the table was fingerprinted; start again"
            )

    @property
    def _is_compared(self) -> bool:
        """Whether each chunk is compared with its fingerprint."""
        return self._table.query is not None or not self._snapshot.is_fixed

    @cached_property
    def _snapshot(self) -> Snapshot:
        if not self._table.database.has_file():
            raise NotFound(f"{self._table.database.uri}: there is no such file")
        snapshot, release = take_snapshot(self._table)
        weakref.finalize(self, release)
        return snapshot

    @cached_property
    def _order(self) -> RowOrder:
        with self._snapshot.connect() as connection:
            order = row_order_of(self._table, connection)
        if self._since is None:
            return order
        if self._since[0] not in order.names:
            raise self._no_column(self._since[0], order)
        return order.after(*self._since)

    def _no_column(self, name: str, order: RowOrder) -> InvalidData:
        return InvalidData(
            f"{self._table.uri}: no column {name!r}; it has {', '.join(map(repr, order.names))}"
        )

    def _plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the chunks; reads only the keys."""
        rows = self.version.rows
        starts = range(0, rows, rows_per_chunk)
        keys = self._first_keys(rows_per_chunk)
        for index, start in enumerate(starts):
            key_range = (keys[index], keys[index + 1] - 1) if keys else ()
            yield Chunk(index, start, min(rows_per_chunk, rows - start), key_range)

    def _first_keys(self, rows_per_chunk: int) -> list[int]:
        """Return the first key of each chunk and the key after the last; empty without keys."""
        order = self._order
        if order.range_key is None:
            return []
        with self._snapshot.connect() as connection:
            found = [*connection.scalars(order.every(rows_per_chunk))]
            last = connection.scalar(order.last_key)
        return [] if last is None else [*found, last + 1]

    def _scan(self, rows_per_chunk: int | None) -> tuple[DatasetVersion, list[Chunk]]:
        """Return version and chunks of the table, read in one statement and so from one state."""
        order = self._order
        whole, chunk = _RowsDigest.empty(order), _RowsDigest.empty(order)
        chunks: list[Chunk] = []
        with self._snapshot.connect() as connection:
            for fetched in _stream(connection, order.select(order.names)):
                for rows in _split(fetched, rows_per_chunk, chunk.rows):
                    keys, *columns = zip(*rows, strict=True)
                    self._require_integers(keys)
                    cells = [canonical(column) for column in columns]
                    self._add_types(columns)
                    whole.add(keys, cells)
                    if rows_per_chunk is not None:
                        chunk.add(keys, cells)
                        if chunk.rows == rows_per_chunk:
                            chunks.append(chunk.chunk(len(chunks), whole.rows))
                            chunk = _RowsDigest.empty(order)
        if chunk.rows:
            chunks.append(chunk.chunk(len(chunks), whole.rows))
        return DatasetVersion(self._table.uri, whole.sha256(order.names), whole.rows), chunks

    def _add_types(self, columns: Sequence[Sequence[Any]]) -> None:
        for name, cells in zip(self._order.names, columns, strict=True):
            found = value_type(cells, boolean=name in self._order.booleans)
            self._types[name] = common_type([self._types.get(name, found), found])

    def _require_integers(self, keys: Sequence[Any]) -> None:
        if {*map(type, keys)} != {int}:
            key = getattr(self._order.range_key, "name", "")
            raise UnreadableData(
                f"{self._table.uri}: the primary key {key!r} is declared as integer, "
                f"but a row has another value"
            )


@dataclass(slots=True)
class _RowsDigest:
    """Number, key range and fingerprints of consecutive rows."""

    fingerprints: tuple[Fingerprint, ...]
    has_range: bool
    rows: int = 0
    low: int = 0
    high: int = 0

    @classmethod
    def empty(cls, order: RowOrder) -> "_RowsDigest":
        return cls(tuple(Fingerprint() for _ in order.names), order.range_key is not None)

    def add(self, keys: Sequence[int], cells: Sequence[bytes]) -> None:
        self.low = self.low if self.rows else keys[0]
        self.high = keys[-1]
        self.rows += len(keys)
        for fingerprint, column in zip(self.fingerprints, cells, strict=True):
            fingerprint.update(column)

    def chunk(self, index: int, end: int) -> Chunk:
        key_range = (self.low, self.high) if self.has_range else ()
        fingerprints = tuple(fingerprint.short for fingerprint in self.fingerprints)
        return Chunk(index, end - self.rows, self.rows, (*key_range, *fingerprints))

    def sha256(self, names: Sequence[str]) -> str:
        columns = [[n, f.hex] for n, f in zip(names, self.fingerprints, strict=True)]
        return sha256(json.dumps([self.rows, columns]).encode()).hexdigest()


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield lists of rows, fetched on demand."""
    return connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query).partitions()


def _split(
    rows: Sequence[sa.Row[Any]], rows_per_chunk: int | None, rows_before: int
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Split rows where a chunk ends; the current chunk has `rows_before` rows already."""
    if rows_per_chunk is None:
        yield rows
        return
    end = min(rows_per_chunk - rows_before, len(rows))
    yield rows[:end]
    for start in range(end, len(rows), rows_per_chunk):
        yield rows[start : start + rows_per_chunk]
