"""The tables that predictions are written to, and what fits into their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import isnan
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from adapters.sql.cells import as_text
from adapters.sql.database import POSTGRESQL, PSYCOPG
from adapters.sql.table_name import TableName
from domain.data.table import Column, Table, plain
from domain.errors import Conflict, InvalidData

Types: TypeAlias = Mapping[str, sa.types.TypeEngine[Any]]

BOOKKEEPING = ("job", "chunk", "row")

# Ordered by its bytes everywhere, so that the index serves whoever reads the rows in order.
_JOB = sa.String(16).with_variant(sa.String(16, collation="C"), POSTGRESQL)


class ColumnType(StrEnum):
    """What the cells of a column are, as far as it matters for keeping them."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    NOTHING = "nothing but missing values"

    def fits(self, kind: sa.types.TypeEngine[Any]) -> bool:
        """Whether a database column of that type takes such cells."""
        if self is ColumnType.NOTHING or isinstance(kind, sa.String):
            return True
        match self:
            case ColumnType.BOOLEAN:
                return isinstance(kind, sa.Boolean)
            case ColumnType.INTEGER:
                return isinstance(kind, sa.Integer | sa.Float | sa.Numeric)
            case ColumnType.NUMBER:
                return isinstance(kind, sa.Float | sa.Numeric)
            case _:
                return False

    @property
    def type(self) -> sa.types.TypeEngine[Any]:
        """The type of a new database column for such cells."""
        match self:
            case ColumnType.BOOLEAN:
                return sa.Boolean()
            case ColumnType.INTEGER:
                return sa.BigInteger()
            case ColumnType.NUMBER:
                return sa.Double()
            case _:
                return sa.Text()


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column as a database driver takes them, None where missing."""

    family: ColumnType
    values: list[Any]

    @classmethod
    def of(cls, column: Column) -> "Cells":
        """Return the cells of a column of a table."""
        array = plain(column)
        match array.dtype.kind:
            case "b":
                return cls(ColumnType.BOOLEAN, array.tolist())
            case "i":
                return cls(ColumnType.INTEGER, array.tolist())
            case "f":
                return cls(ColumnType.NUMBER, _numbers(array.tolist()))
            case "M":
                return cls(ColumnType.TEXT, _times(array))
            case _:
                return cls._of_objects(array.tolist())

    @classmethod
    def _of_objects(cls, values: list[Any]) -> "Cells":
        types = frozenset(map(type, values)) - {type(None)}
        if not types:
            return cls(ColumnType.NOTHING, values)
        if types == {bool}:
            return cls(ColumnType.BOOLEAN, values)
        if types == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
            return cls(ColumnType.INTEGER, values)
        if types <= {float, int, Decimal}:
            return cls(ColumnType.NUMBER, _numbers(values))
        return cls(ColumnType.TEXT, _texts(values))

    def to_fit(self, kind: sa.types.TypeEngine[Any]) -> list[Any]:
        """Return the values for a database column of that type, which they must fit."""
        if isinstance(kind, sa.String) and self.family is not ColumnType.TEXT:
            return _texts(self.values)
        return self.values


def _numbers(values: Sequence[Any]) -> list[float | None]:
    return [None if value is None or isnan(value) else float(value) for value in values]


def _times(column: NDArray[Any]) -> list[str | None]:
    texts: list[str] = np.datetime_as_string(column).tolist()
    return [None if text == "NaT" else text for text in texts]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else as_text(value) for value in values]


def cells_of(table: Table, where: str) -> dict[str, Cells]:
    """Return the cells of a table's columns.

    Raises:
        InvalidData: a column is named like one that the output has anyway.
    """
    clash = [name for name in table.columns if name.lower() in BOOKKEEPING]
    if clash:
        raise InvalidData(
            f"{where}: column {clash[0]!r} cannot be written to a database: "
            f"{', '.join(map(repr, BOOKKEEPING))} are columns that say where a row belongs"
        )
    return {name: Cells.of(column) for name, column in table.columns.items()}


@dataclass(frozen=True)
class OutputTables:
    """Names and columns of all tables of one output."""

    name: TableName
    jobs: sa.Table
    chunks: sa.Table
    rejects: sa.Table

    @classmethod
    def of(cls, name: TableName) -> "OutputTables":
        """Describe the tables; nothing is made yet."""

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
    def places(self) -> sa.Table:
        """The table of predictions, as far as it says where a row belongs."""
        name = self.name
        return sa.Table(name.name, sa.MetaData(), *_keys(*BOOKKEEPING), schema=name.schema)

    def make(self, cells: Mapping[str, Cells]) -> Types:
        """Make the table of predictions where it is missing; return the types of its columns.

        Raises:
            Conflict: there is one already that has other columns.
        """
        columns = [sa.Column(name, c.family.type) for name, c in cells.items()]
        new = sa.Table(
            self.name.name, sa.MetaData(), *_keys(*BOOKKEEPING), *columns, schema=self.name.schema
        )
        return self._make(new)

    def make_others(self) -> None:
        """Make the tables that are about a job where they are missing; errors as `make`."""
        for table in (self.jobs, self.chunks, self.rejects):
            self._make(table)

    def _make(self, table: sa.Table) -> Types:
        database = self.name.database
        database.create(table)
        with database.connect() as connection:
            found = sa.inspect(connection).get_columns(table.name, table.schema)
        types = {column["name"]: column["type"] for column in found}
        self._require_columns(table, list(types))
        return types

    def rows(self, cells: Mapping[str, Cells], types: Types) -> sa.Table:
        """Return the table of predictions, whose columns have these types, to insert cells.

        Raises:
            InvalidData: a value does not fit the column that is there for it.
        """
        self._require_types(cells, types)
        there = [sa.Column(name, _bound(types[name])) for name in (*BOOKKEEPING, *cells)]
        return sa.Table(self.name.name, sa.MetaData(), *there, schema=self.name.schema)

    def _require_columns(self, table: sa.Table, there: Sequence[str]) -> None:
        lacking = [column.name for column in table.columns if column.name not in there]
        if lacking:
            raise Conflict(
                f"{self.name.uri}: the table {table.name!r} is there already, without column "
                f"{', '.join(map(repr, lacking))}; it has {', '.join(map(repr, there))}. "
                f"Add what is missing or write to another table"
            )

    def _require_types(self, cells: Mapping[str, Cells], types: Types) -> None:
        wrong = [
            f"{name!r} ({types[name]}) cannot take {column.family}"
            for name, column in cells.items()
            if not column.family.fits(types[name])
        ]
        if wrong:
            raise InvalidData(
                f"{self.name.uri}: column {'; column '.join(wrong)}. "
                f"Change the type of the column or write to another table"
            )


def insert(connection: sa.Connection, table: sa.Table, lines: Sequence[tuple[Any, ...]]) -> None:
    """Insert lines, which have a value for each column of the table, in order."""
    names = table.columns.keys()
    if lines and connection.dialect.driver == PSYCOPG:
        from adapters.sql.postgresql import copy

        copy(connection, table, names, lines)
    elif lines:
        rows = [dict(zip(names, line, strict=True)) for line in lines]
        connection.execute(sa.insert(table), rows)


def _bound(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type that values are handed over as: numbers are never made decimal."""
    return sa.Double() if isinstance(kind, sa.Numeric) else kind


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, _JOB if name == "job" else sa.BigInteger, primary_key=True)
        for name in names
    ]
