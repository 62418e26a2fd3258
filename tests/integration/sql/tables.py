"""Creating and reading tables without the adapters under test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from domain.data.table import Table
from tests.integration.contracts.data_source import contents


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection in a transaction, closed afterwards."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        yield connection


def execute(url: str, *statements: str) -> None:
    """Run statements unchanged."""
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connected(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def tables_of(url: str) -> set[str]:
    """Return the names of all tables."""
    with connected(url) as connection:
        return {*sa.inspect(connection).get_table_names()}


def make_blocks(url: str, rows: Sequence[Sequence[Any]], *, key: bool = True) -> None:
    """Create the table `blocks`: id, income, age, ocean, coastal, note."""
    table = sa.Table(
        "blocks",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=key, autoincrement=False),
        sa.Column("income", sa.Double),
        sa.Column("age", sa.BigInteger),
        sa.Column("ocean", sa.Text),
        sa.Column("coastal", sa.Boolean),
        sa.Column("note", sa.Text),
    )
    with connected(url) as connection:
        table.create(connection)
        if rows:
            names = table.columns.keys()
            lines = [dict(zip(names, row, strict=True)) for row in rows]
            connection.execute(sa.insert(table), lines)


def put(url: str, name: str, table: Table, key: str) -> None:
    """Create a table with these rows; the values decide the types of its columns."""
    columns = contents(table)
    types = {float: sa.Double, int: sa.BigInteger, bool: sa.Boolean, str: sa.Text}
    made = sa.Table(name, sa.MetaData())
    for column, values in columns.items():
        kind = types[next(type(value) for value in values if value is not None)]
        made.append_column(sa.Column(column, kind, primary_key=column == key, autoincrement=False))
    with connected(url) as connection:
        made.create(connection)
        rows = zip(*columns.values(), strict=True)
        lines = [dict(zip(columns, row, strict=True)) for row in rows]
        connection.execute(sa.insert(made), lines)
