"""What PostgreSQL and its driver do faster, or more exactly, than they are asked to by default."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql


class _BinaryCursor(psycopg.ServerCursor[Any]):
    """Fetches numbers as they are instead of as texts to be parsed: some four times as fast."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = psycopg.pq.Format.BINARY


def stream_in_binary(engine: sa.Engine) -> None:
    """Let the streamed results of an engine come in binary form."""

    def use(connection: psycopg.Connection[Any], _: object) -> None:
        connection.server_cursor_factory = _BinaryCursor

    sa.event.listen(engine, "connect", use)


def copy(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    lines: Iterable[Sequence[Any]],
) -> None:
    """Insert lines with COPY, within the connection's transaction."""
    place = (table.name,) if table.schema is None else (table.schema, table.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(*place), columns)
    driver: psycopg.Connection[Any] = cast(Any, connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(command) as written:
        for line in lines:
            written.write_row(line)
