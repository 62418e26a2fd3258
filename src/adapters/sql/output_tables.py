"""The tables of an output in a database, and the cells that fit into their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import isnan
from typing import Any

import numpy as np
import sqlalchemy as sa

from adapters.sql.cells import as_text
from adapters.sql.database import POSTGRESQL, PSYCOPG, ColumnTypes, TableName
from domain.data.table import Column, Table, plain
from domain.errors import Conflict, InvalidData

KEY_COLUMNS = ("job", "chunk", "row")

# Ordered by bytes, so that the index serves queries in the order of the rows.
_JOB = sa.String(16).with_variant(sa.String(16, collation="C"), POSTGRESQL)


class ColumnType(StrEnum):
    """The type of the cells of a column."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    MISSING = "only missing values"

    def fits(self, kind: sa.types.TypeEngine[Any]) -> bool:
        """Whether a database column of that type accepts such cells."""
        accepting = (sa.String, *_ACCEPTING.get(self, ()))
        return self is ColumnType.MISSING or isinstance(kind, accepting)

    @property
    def type(self) -> sa.types.TypeEngine[Any]:
        """The type of a new database column for such cells."""
        return _NEW_TYPES.get(self, sa.Text)()


_ACCEPTING = {
    ColumnType.BOOLEAN: (sa.Boolean,),
    ColumnType.INTEGER: (sa.Integer, sa.Float, sa.Numeric),
    ColumnType.NUMBER: (sa.Float, sa.Numeric),
}
_NEW_TYPES: Mapping[ColumnType, type[sa.types.TypeEngine[Any]]] = {
    ColumnType.BOOLEAN: sa.Boolean,
    ColumnType.INTEGER: sa.BigInteger,
    ColumnType.NUMBER: sa.Double,
}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column as database drivers accept them; None where missing."""

    type: ColumnType
    values: list[Any]

    @classmethod
    def of(cls, column: Column) -> "Cells":
        """Return the cells of a column."""
        array = plain(column)
        match array.dtype.kind:
            case "b":
                return cls(ColumnType.BOOLEAN, array.tolist())
            case "i":
                return cls(ColumnType.INTEGER, array.tolist())
            case "f":
                return cls(ColumnType.NUMBER, _numbers(array.tolist()))
            case "M":
                texts = np.datetime_as_string(array).tolist()
                return cls(ColumnType.TEXT, [None if text == "NaT" else text for text in texts])
            case _:
                return cls._of_objects(array.tolist())

    @classmethod
    def _of_objects(cls, values: list[Any]) -> "Cells":
        types = frozenset(map(type, values)) - {type(None)}
        if not types:
            return cls(ColumnType.MISSING, values)
        if types == {bool}:
            return cls(ColumnType.BOOLEAN, values)
        if types == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
            return cls(ColumnType.INTEGER, values)
        if types <= {float, int, Decimal}:
            return cls(ColumnType.NUMBER, _numbers(values))
        return cls(ColumnType.TEXT, _texts(values))

    def to_fit(self, kind: sa.types.TypeEngine[Any]) -> list[Any]:
        """Return the values for a database column of a type that they fit."""
        if isinstance(kind, sa.String) and self.type is not ColumnType.TEXT:
            return _texts(self.values)
        return self.values


def _numbers(values: Sequence[Any]) -> list[float | None]:
    return [None if value is None or isnan(value) else float(value) for value in values]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else as_text(value) for value in values]


def cells_of(table: Table, where: str) -> dict[str, Cells]:
    """Return the cells of each column.

    Raises:
        InvalidData: a column has the name of a key column of the output.
    """
    clash = [name for name in table.columns if name.lower() in KEY_COLUMNS]
    if clash:
        raise InvalidData(
            f"{where}: column {clash[0]!r} cannot be written to a database: "
            f"{', '.join(map(repr, KEY_COLUMNS))} are key columns of the output"
        )
    return {name: Cells.of(column) for name, column in table.columns.items()}


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
        columns = [sa.Column(name, c.type.type) for name, c in cells.items()]
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
            if not column.type.fits(types[name])
        ]
        if unfit:
            raise InvalidData(
                f"{self.name.uri}: column {'; column '.join(unfit)}. "
                f"Change the type of the column or write to another table"
            )
        return self._predictions(
            *(sa.Column(name, _bound(types[name])) for name in (*KEY_COLUMNS, *cells))
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


def _bound(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type of bound values: numbers are not converted to decimal."""
    return sa.Double() if isinstance(kind, sa.Numeric) else kind


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, _JOB if name == "job" else sa.BigInteger, primary_key=True)
        for name in names
    ]
