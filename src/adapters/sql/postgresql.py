"""PostgreSQL through psycopg: binary results and COPY, both faster than the defaults."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql


class _BinaryCursor(psycopg.ServerCursor[Any]):
    """Fetches numbers in binary form, which is about four times as fast as text."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = psycopg.pq.Format.BINARY


def stream_in_binary(engine: sa.Engine) -> None:
    """Make an engine stream its results in binary form."""

    def use(connection: psycopg.Connection[Any], _: object) -> None:
        connection.server_cursor_factory = _BinaryCursor

    sa.event.listen(engine, "connect", use)


def copy(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Insert rows with COPY, in the transaction of the connection."""
    name = (table.name,) if table.schema is None else (table.schema, table.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(*name), columns)
    driver: psycopg.Connection[Any] = cast(Any, connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(command) as target:
        for row in rows:
            target.write_row(row)
