"""Snapshots of databases, which several connections and processes can read."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from adapters.files.temporary_folders import temporary_folder
from adapters.sql.database import POSTGRESQL, Database, TableName
from domain.errors import ModelportError, Unavailable

_READ_ONLY_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_NAME = re.compile(r"[0-9A-Fa-f-]+")


@dataclass(frozen=True)
class Snapshot:
    """The state of a database at one time. `name` is an exported snapshot or the path of a copy.

    PostgreSQL keeps an exported snapshot while the transaction that exported it is open. An SQLite
    file is copied. For other databases `name` is empty: a connection reads the current state.
    """

    database: Database
    name: str

    @property
    def is_fixed(self) -> bool:
        """Whether every connection reads the same state."""
        return bool(self.name)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection that reads the snapshot.

        Raises:
            Unavailable: the process that took the snapshot has ended.
        """
        if not self.name or self.database.dialect != POSTGRESQL:
            if self.name and not Path(self.name).is_file():
                raise self._gone()
            database = self.database
            if self.name:
                database = replace(database, copy=self.name)
            with database.connect() as connection:
                yield connection
            return
        with self.database.connect() as connection:
            reading = connection.execution_options(**_READ_ONLY_SNAPSHOT)
            try:
                reading.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{self.name}'")
            except (sa.exc.ProgrammingError, sa.exc.DataError) as error:
                raise self._gone() from error
            yield reading

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"{self.database.uri}: the snapshot that this job reads is gone, because the server "
            f"or the run that took it has ended; run the same again"
        )


def take_snapshot(table: TableName) -> tuple[Snapshot, Callable[[], None]]:
    """Return a snapshot of the database of a table, and the function that releases it."""
    database = table.database
    if database.dialect == POSTGRESQL:
        return _export(table)
    if database.file is not None and database.file.is_file():
        return _copy(database, database.file)
    return Snapshot(database, ""), lambda: None


def _export(table: TableName) -> tuple[Snapshot, Callable[[], None]]:
    database = table.database
    with ExitStack() as stack:
        session = stack.enter_context(database.connect())
        connection = session.execution_options(**_READ_ONLY_SNAPSHOT)
        # The server must not end the transaction, which is idle while others read.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        name = str(connection.scalar(sa.select(sa.func.pg_export_snapshot())))
        is_query = table.query is not None
        if not is_query and sa.inspect(connection).has_table(table.name, table.schema):
            # A read lock prevents TRUNCATE, which would empty the table in the snapshot too.
            source = sa.table(table.name, schema=table.schema)
            connection.execute(sa.select(sa.literal(1)).select_from(source).limit(0))
        if not _NAME.fullmatch(name):
            raise Unavailable(f"{database.uri}: the server cannot export snapshots")
        held, owner = stack.pop_all(), os.getpid()

    def release() -> None:
        if os.getpid() == owner:  # a forked process shares the connection
            with suppress(ModelportError, sa.exc.SQLAlchemyError):
                held.close()

    return Snapshot(database, name), release


def _copy(database: Database, file: Path) -> tuple[Snapshot, Callable[[], None]]:
    folder, remove = temporary_folder("snapshot")
    copy = folder / file.name
    try:
        with database.connect() as connection:
            original = connection.connection.driver_connection
            assert isinstance(original, sqlite3.Connection)
            _back_up(database, original, copy)
    except BaseException:
        remove()
        raise
    return Snapshot(database, str(copy)), remove


def _back_up(database: Database, original: sqlite3.Connection, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as target:
            original.backup(target)
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"{database.uri}: it cannot be copied to {copy.parent} for reading: {error}; "
            f"set TMPDIR to another folder"
        ) from error
