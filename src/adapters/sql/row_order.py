"""The order of the rows of a table, and the queries that read them in this order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.sql.database import POSTGRESQL, SQLITE, ColumnTypes, TableName
from domain.data.dataset import Chunk
from domain.errors import InvalidData, Misconfigured

_READABLE = (sa.Boolean, sa.Integer, sa.Float, sa.Numeric, sa.Date, sa.DateTime, sa.LargeBinary)
_TEXTS = (sa.String, sa.Text, sa.TEXT, sa.VARCHAR, sa.CHAR)
_BYTEWISE = {POSTGRESQL: "C", SQLITE: "BINARY"}
_ROW_IDS = ("_rowid_", "rowid", "oid")


@dataclass(frozen=True)
class RowOrder:
    """The columns of a table and the order of its rows.

    `range_key` is a unique integer by which the rows are ordered, or None. Only rows that fulfil
    all `conditions` are selected.
    """

    source: sa.FromClause
    columns: Mapping[str, sa.ColumnElement[Any]]
    booleans: frozenset[str]
    range_key: sa.ColumnElement[Any] | None
    order: Sequence[sa.ColumnElement[Any]]
    conditions: Sequence[sa.ColumnElement[bool]] = ()

    def after(self, column: str, value: Any) -> "RowOrder":
        """Return the order of the rows with a greater value in a column."""
        untyped = sa.literal(value, sa.types.NullType())  # the database infers the type of a text
        return replace(self, conditions=(*self.conditions, self.columns[column] > untyped))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    def select(self, names: Sequence[str]) -> sa.Select[Any]:
        """Select the key (or a constant) and some columns, ordered."""
        key = sa.literal(0) if self.range_key is None else self.range_key
        columns = [self.columns[name] for name in names]
        query = sa.select(key, *columns).select_from(self.source).where(*self.conditions)
        return query.order_by(*self.order)

    def every(self, rows: int) -> sa.Select[Any]:
        """Select the key of the first row and of every n-th row after it."""
        assert self.range_key is not None
        number = sa.func.row_number().over(order_by=self.range_key)
        keys = sa.select(self.range_key.label("key"), number.label("number"))
        numbered = keys.select_from(self.source).where(*self.conditions).subquery()
        first = (numbered.c.number - 1) % rows == 0
        return sa.select(numbered.c.key).where(first).order_by(numbered.c.key)

    @property
    def last_key(self) -> sa.Select[Any]:
        """Select the key of the last row."""
        greatest = sa.select(sa.func.max(self.range_key)).select_from(self.source)
        return greatest.where(*self.conditions)

    def within(self, chunk: Chunk, names: Sequence[str]) -> sa.Select[Any]:
        """Select the key and some columns of a chunk."""
        query = self.select(names)
        if self.range_key is None:
            return query.offset(chunk.start).limit(chunk.rows)
        low, high = chunk.locator[:2]
        return query.where(self.range_key.between(low, high))


def row_order_of(table: TableName, connection: sa.Connection) -> RowOrder:
    """Inspect a table and return the order of its rows.

    Raises:
        NotFound: the table or its schema does not exist.
    """
    if table.query is not None:
        return _order_of_query(table, table.query, connection)
    inspector = table.inspector(connection)
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
    order = [_by_bytes(source.c[name], types[name], dialect) for name in key or types]
    if not key and dialect == POSTGRESQL:
        order = [column.nulls_first() for column in order]
    return RowOrder(
        source,
        {name: _readable(source.c[name], types[name], dialect) for name in types},
        frozenset(name for name in types if isinstance(types[name], sa.Boolean)),
        range_key,
        order if range_key is None else [range_key],
    )


def _order_of_query(table: TableName, query: str, connection: sa.Connection) -> RowOrder:
    """Return the order of the rows of a query: by all of its columns.

    Raises:
        InvalidData: two columns have the same name.
        Misconfigured: the database refuses the query.
    """
    text = query.replace(":", r"\:") + "\n"  # a comment may end the query
    try:
        empty = connection.execute(sa.text(f"SELECT * FROM ({text}) AS query WHERE 1 = 0"))
    except sa.exc.DBAPIError as error:
        raise Misconfigured(f"{table.uri}: the query cannot be run: {error.orig}") from error
    names = [*empty.keys()]
    types = _types_of(empty, connection)
    empty.close()
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidData(f"{table.uri}: the query returns several columns {twice!r}")
    dialect = table.database.dialect
    columns = [sa.column(name, kind) for name, kind in zip(names, types, strict=True)]
    source = sa.text(text).columns(*columns).subquery("query")
    readable = {
        name: _readable(source.c[name], kind, dialect)
        for name, kind in zip(names, types, strict=True)
    }
    order = [_collated(column, dialect) for column in readable.values()]
    return RowOrder(source, readable, frozenset(), None, order)


def _collated(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Return an expression that orders any values independently of the locale."""
    if dialect == POSTGRESQL:
        return sa.collate(sa.cast(column, sa.Text), _BYTEWISE[dialect]).nulls_first()
    return sa.collate(column, _BYTEWISE[dialect]) if dialect in _BYTEWISE else column


def _types_of(
    result: sa.CursorResult[Any], connection: sa.Connection
) -> list[sa.types.TypeEngine[Any]]:
    """Return the types of the columns of a result in PostgreSQL; other databases need none."""
    if connection.dialect.name != POSTGRESQL:
        return [sa.types.NullType() for _ in result.keys()]  # noqa: SIM118 - not a mapping
    assert result.cursor is not None
    oids = [column[1] for column in result.cursor.description or ()]
    types: list[sa.types.TypeEngine[Any]] = []
    for oid in oids:
        name = str(connection.scalar(sa.select(sa.func.format_type(oid, None))))
        kind = postgresql.dialect.ischema_names.get(name, sa.types.NullType)
        zoned = name.endswith("with time zone")
        types.append(sa.DateTime(timezone=True) if zoned else kind())
    return types


def _range_key(
    source: sa.TableClause, types: ColumnTypes, key: Sequence[str], *, rowids: bool
) -> sa.ColumnElement[Any] | None:
    """Return the integer key of the rows; in SQLite the row id if there is no primary key."""
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
    """Return a column as text or as a type that every driver supports; times are in UTC."""
    if dialect != POSTGRESQL:
        return column
    if isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return sa.func.timezone("UTC", column)
    if isinstance(kind, _READABLE) or type(kind) in _TEXTS:
        return column
    return sa.cast(column, sa.Text)


def _by_bytes(
    column: sa.ColumnElement[Any], kind: sa.types.TypeEngine[Any], dialect: str
) -> sa.ColumnElement[Any]:
    """Return an expression that orders by a column independently of the locale."""
    if isinstance(kind, sa.JSON) and dialect == POSTGRESQL:
        column, kind = sa.cast(column, sa.Text), sa.Text()
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum) and dialect in _BYTEWISE:
        return sa.collate(column, _BYTEWISE[dialect])
    return column
