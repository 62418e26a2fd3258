"""The tables of an output in a database, and the cells that fit into their columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from adapters.formats.cell_text import cell_text
from adapters.sql.database import POSTGRESQL, PSYCOPG, ColumnTypes, TableName
from domain.data.table import Column, Kept, Table, plain
from domain.data.value_type import ValueType, type_of
from domain.errors import Conflict, InvalidData
from domain.scoring.batch_job import ROW, require_no_key_column

KEY_COLUMNS = ("job", "chunk", ROW)
_NO_FRACTION = re.compile(r"\.0+$")

# Ordered by bytes, so that the index serves queries in the order of the rows.
_JOB = sa.String(16).with_variant(sa.String(16, collation="C"), POSTGRESQL)


_ACCEPTING: Mapping[ValueType, tuple[type[sa.types.TypeEngine[Any]], ...]] = {
    ValueType.BOOLEAN: (sa.Boolean,),
    ValueType.SMALL_INTEGER: (sa.Integer, sa.Float, sa.Numeric),
    ValueType.INTEGER: (sa.Integer, sa.Numeric),
    ValueType.EXACT: (sa.Numeric,),
    ValueType.NUMBER: (sa.Float, sa.Numeric),
}
_NEW_TYPES: Mapping[ValueType, type[sa.types.TypeEngine[Any]]] = {
    ValueType.BOOLEAN: sa.Boolean,
    ValueType.SMALL_INTEGER: sa.BigInteger,
    ValueType.INTEGER: sa.BigInteger,
    ValueType.EXACT: sa.Numeric,
    ValueType.NUMBER: sa.Double,
}
_INEXACT = {ValueType.INTEGER: sa.Float, ValueType.EXACT: sa.Float}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column as database drivers accept them; None where missing."""

    type: ValueType
    values: list[Any]

    @classmethod
    def of(cls, column: Column) -> "Cells":
        """Return the cells of a column."""
        array = plain(column)
        values = _python_values(array)
        if isinstance(column, Kept):
            kind = column.type
        else:
            kind = _TYPES.get(array.dtype.kind) or type_of(values)
        if kind is ValueType.TEXT:
            return cls(kind, _texts(values))
        convert = {ValueType.NUMBER: float, ValueType.SMALL_INTEGER: int}.get(kind)
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        return cls(kind, values)

    def fits(self, kind: sa.types.TypeEngine[Any], dialect: str) -> bool:
        """Whether a database column of that type holds the cells unchanged."""
        if self.type is ValueType.MISSING or isinstance(kind, sa.String):
            return True
        if self.type is ValueType.EXACT and dialect != POSTGRESQL:
            return False
        inexact = isinstance(kind, _INEXACT.get(self.type, ()))
        return isinstance(kind, _ACCEPTING.get(self.type, ())) and not inexact

    def new_type(self, dialect: str) -> sa.types.TypeEngine[Any]:
        """Return the type of a new database column for such cells."""
        if self.type is ValueType.EXACT and dialect != POSTGRESQL:
            return sa.Text()  # SQLite makes floats of large numbers; others limit the digits
        return _NEW_TYPES.get(self.type, sa.Text)()

    def to_fit(self, kind: sa.types.TypeEngine[Any]) -> list[Any]:
        """Return the values for a database column of a type that they fit."""
        if isinstance(kind, sa.String) and self.type is not ValueType.TEXT:
            return _texts(self.values)
        return self.values


_TYPES = {"b": ValueType.BOOLEAN, "i": ValueType.SMALL_INTEGER, "f": ValueType.NUMBER}


def _python_values(array: NDArray[Any]) -> list[Any]:
    """Return the values of a numpy array, None where missing; times as ISO 8601 text."""
    if array.dtype.kind == "M":
        texts = np.datetime_as_string(array).tolist()
        return [None if text == "NaT" else _NO_FRACTION.sub("", text) for text in texts]
    values: list[Any] = array.tolist()
    return [None if isinstance(v, float) and isnan(v) else v for v in values]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else cell_text(value) for value in values]


def cells_of(table: Table, where: str) -> dict[str, Cells]:
    """Return the cells of each column, without the key column `ROW`.

    Raises:
        InvalidData: a column has the name of a key column of the output.
    """
    names = [name for name in table.columns if name != ROW]
    require_no_key_column(names, KEY_COLUMNS, where)
    return {name: Cells.of(table.columns[name]) for name in names}


@dataclass(frozen=True)
class OutputTables:
    """The tables of one output."""

    name: TableName
    jobs: sa.Table
    chunks: sa.Table
    rejects: sa.Table

    @classmethod
    def of(cls, name: TableName) -> "OutputTables":
        """Return the tables; nothing is created yet."""

        def table(suffix: str, *columns: sa.Column[Any]) -> sa.Table:
            full = f"{name.name}_{suffix}"
            return sa.Table(full, sa.MetaData(), *columns, schema=name.schema)

        return cls(
            name,
            jobs=table(
                "jobs",
                *_keys("job"),
                sa.Column("status", sa.String(16), nullable=False),
                sa.Column("model", sa.Text, nullable=False),
                sa.Column("bundle_id", sa.Text, nullable=False),
                sa.Column("data_sha256", sa.String(64), nullable=False),
                sa.Column("chunk_rows", sa.BigInteger, nullable=False),
                sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
                sa.Column("finished_at", sa.DateTime(timezone=True)),
            ),
            chunks=table(
                "chunks",
                *_keys("job", "chunk"),
                sa.Column("scored", sa.BigInteger, nullable=False),
                sa.Column("rejected", sa.BigInteger, nullable=False),
            ),
            rejects=table(
                "rejects",
                *_keys("job", "chunk", "row", "error"),
                sa.Column("field", sa.Text, nullable=False),
                sa.Column("problem", sa.Text, nullable=False),
                sa.Column("allowed", sa.Text, nullable=False),
                sa.Column("file", sa.Text),
                sa.Column("row_in_file", sa.BigInteger),
            ),
        )

    @property
    def keys(self) -> sa.Table:
        """The key columns of the table of predictions."""
        return self._predictions(*_keys(*KEY_COLUMNS))

    def with_column(self, name: str) -> sa.Table:
        """The key columns of the table of predictions, and another column."""
        return self._predictions(*_keys(*KEY_COLUMNS), sa.Column(name))

    def _predictions(self, *columns: sa.Column[Any]) -> sa.Table:
        return sa.Table(self.name.name, sa.MetaData(), *columns, schema=self.name.schema)

    def create(self, cells: Mapping[str, Cells]) -> ColumnTypes:
        """Create the table of predictions if it does not exist; return the types of its columns.

        Raises:
            Conflict: it exists without one of the columns.
            NotFound: its schema does not exist.
        """
        with self.name.database.connect() as connection:
            self.name.inspector(connection)
        dialect = self.name.database.dialect
        columns = [sa.Column(name, each.new_type(dialect)) for name, each in cells.items()]
        return self._create(self._predictions(*_keys(*KEY_COLUMNS), *columns))

    def create_others(self) -> None:
        """Create the tables of jobs, chunks and rejects; errors as `create`."""
        for table in (self.jobs, self.chunks, self.rejects):
            self._create(table)

    def _create(self, table: sa.Table) -> ColumnTypes:
        database = self.name.database
        database.create(table)
        with database.connect() as connection:
            found = sa.inspect(connection).get_columns(table.name, table.schema)
        types = {column["name"]: column["type"] for column in found}
        missing = [column.name for column in table.columns if column.name not in types]
        if missing:
            raise Conflict(
                f"{self.name.uri}: the table {table.name!r} exists without column "
                f"{', '.join(map(repr, missing))}; it has {', '.join(map(repr, types))}. "
                f"Add the missing columns or write to another table"
            )
        return types

    def rows(self, cells: Mapping[str, Cells], types: ColumnTypes) -> sa.Table:
        """Return the table of predictions for inserting cells; its columns have these types.

        Raises:
            InvalidData: cells do not fit their column.
        """
        unfit = [
            f"{name!r} ({types[name]}) cannot hold {column.type}"
            for name, column in cells.items()
            if not column.fits(types[name], self.name.database.dialect)
        ]
        if unfit:
            raise InvalidData(
                f"{self.name.uri}: column {'; column '.join(unfit)}. "
                f"Change the type of the column or write to another table"
            )
        return self._predictions(
            *(sa.Column(name, types[name]) for name in KEY_COLUMNS),
            *(sa.Column(name, _bound(types[name], each.type)) for name, each in cells.items()),
        )


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, which have a value for each column of the table, in order."""
    names = table.columns.keys()
    if rows and connection.dialect.driver == PSYCOPG:
        from adapters.sql.postgresql import copy

        copy(connection, table, names, rows)
    elif rows:
        values = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(sa.insert(table), values)


def _bound(kind: sa.types.TypeEngine[Any], cells: ValueType) -> sa.types.TypeEngine[Any]:
    """Return the type of bound values: numbers are not converted to decimal or float."""
    return _NEW_TYPES.get(cells, sa.Double)() if isinstance(kind, sa.Numeric) else kind


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, _JOB if name == "job" else sa.BigInteger, primary_key=True)
        for name in names
    ]
