"""Reads a table of a database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.sql.cells import Fingerprint, as_column, canonical
from adapters.sql.database import POSTGRESQL, SQLITE, TableName
from domain.dataset import Chunk, DatasetVersion
from domain.errors import ChecksumMismatch, InvalidData, UnreadableData
from domain.feature import Kind
from domain.table import Table

_ROWS_AT_ONCE = 8192
_AS_THEY_ARE = (sa.Boolean, sa.Integer, sa.Float, sa.Numeric, sa.Date, sa.DateTime, sa.LargeBinary)
_TEXTS = (sa.String, sa.Text, sa.TEXT, sa.VARCHAR, sa.CHAR)
_BYTEWISE = {POSTGRESQL: "C", SQLITE: "BINARY"}
_ROW_IDS = ("_rowid_", "rowid", "oid")

Order: TypeAlias = Sequence[sa.ColumnElement[Any]]
Types: TypeAlias = Mapping[str, sa.types.TypeEngine[Any]]


@dataclass(frozen=True)
class Layout:
    """How a table is read: `range_key` is a unique integer that orders it, where there is one."""

    source: sa.FromClause
    columns: Mapping[str, sa.ColumnElement[Any]]
    booleans: frozenset[str]
    range_key: sa.ColumnElement[Any] | None
    order: Order

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    def select(self, names: Sequence[str]) -> sa.Select[Any]:
        """Select the key (or a constant) and some columns, in order of the rows."""
        key = sa.literal(0) if self.range_key is None else self.range_key
        columns = [self.columns[name] for name in names]
        return sa.select(key, *columns).select_from(self.source).order_by(*self.order)


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
    the same primary key are kept. It is taken once per instance. `plan` passes over the table
    again, refuses one that was changed, and gives every chunk the fingerprints of its columns. So
    what is read is what was fingerprinted: a row that was changed or removed since, or added
    within a chunk, raises `ChecksumMismatch`. No transaction is held open between chunks:
    a table that is written to meanwhile is refused, it cannot be read as it was.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._table = TableName.parse(url, unusable=UnreadableData)

    def __reduce__(self) -> tuple[type["SqlSource"], tuple[str]]:
        return type(self), (self._url,)

    @cached_property
    def version(self) -> DatasetVersion:
        return self._scan(None).version

    @property
    def columns(self) -> tuple[str, ...]:
        return self._layout.names

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
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
        cells = self._fetch(_within(layout, names, chunk), len(names))
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
        with self._table.database.connect() as connection:
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
    def _layout(self) -> Layout:
        table = self._table
        table.database.require_file()
        with table.database.connect() as connection:
            inspector = sa.inspect(connection)
            try:
                columns = inspector.get_columns(table.name, table.schema)
                key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
            except sa.exc.NoSuchTableError as error:
                raise table.missing(inspector) from error
            is_view = table.name in inspector.get_view_names(table.schema)
        types = {column["name"]: column["type"] for column in columns}
        source = sa.table(table.name, *map(sa.column, types), schema=table.schema)
        dialect = table.database.dialect
        range_key = _range_key(source, types, key, rowids=dialect == SQLITE and not is_view)
        order = [_by_bytes(source.c[n], types[n], dialect) for n in key or types]
        if not key and dialect == POSTGRESQL:
            order = [column.nulls_first() for column in order]
        return Layout(
            source,
            {name: _readable(source.c[name], types[name], dialect) for name in types},
            frozenset(name for name in types if isinstance(types[name], sa.Boolean)),
            range_key,
            order if range_key is None else [range_key],
        )

    def _scan(self, rows_per_chunk: int | None) -> Scan:
        layout = self._layout
        whole, chunk = _Tally.empty(layout), _Tally.empty(layout)
        chunks: list[Chunk] = []
        with self._table.database.connect() as connection:
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
    def empty(cls, layout: Layout) -> "_Tally":
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


def _within(layout: Layout, names: Sequence[str], chunk: Chunk) -> sa.Select[Any]:
    query = layout.select(names)
    if layout.range_key is None:
        return query.offset(chunk.start).limit(chunk.rows)
    low, high = chunk.locator[:2]
    return query.where(layout.range_key.between(low, high))


def _range_key(
    source: sa.TableClause, types: Types, key: Sequence[str], *, rowids: bool
) -> sa.ColumnElement[Any] | None:
    """Return the integer that orders the rows; SQLite numbers those of a table without a key."""
    if len(key) == 1 and isinstance(types[key[0]], sa.Integer):
        return source.c[key[0]]
    if key or not rowids:
        return None
    taken = {name.lower() for name in types}
    free = next((name for name in _ROW_IDS if name not in taken), None)
    return None if free is None else sa.literal_column(free)


def _readable(
    column: sa.ColumnElement[Any], kind: sa.types.TypeEngine[Any], dialect: str
) -> sa.ColumnElement[Any]:
    """Return a column as one of few types: PostgreSQL has many, and each machine its time zone."""
    if dialect != POSTGRESQL:
        return column
    if isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return sa.func.timezone("UTC", column)
    if isinstance(kind, _AS_THEY_ARE) or type(kind) in _TEXTS:
        return column
    return sa.cast(column, sa.Text)


def _by_bytes(
    column: sa.ColumnElement[Any], kind: sa.types.TypeEngine[Any], dialect: str
) -> sa.ColumnElement[Any]:
    """Return what orders by a column in a way that depends on no locale."""
    if isinstance(kind, sa.JSON) and dialect == POSTGRESQL:
        column, kind = sa.cast(column, sa.Text), sa.Text()
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum) and dialect in _BYTEWISE:
        return sa.collate(column, _BYTEWISE[dialect])
    return column
