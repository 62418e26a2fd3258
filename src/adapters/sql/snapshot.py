"""A database as it was at one moment, for as many connections and processes as want to see it."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from adapters.files.temporary_folders import temporary_folder
from adapters.sql.database import POSTGRESQL, Database
from adapters.sql.table_name import TableName
from domain.errors import ModelportError, Unavailable

_AT_ONE_MOMENT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_NAME = re.compile(r"[0-9A-Fa-f-]+")


@dataclass(frozen=True)
class Snapshot:
    """A moment that others can name: `name` is an exported snapshot, or the path of a copy.

    PostgreSQL keeps it while the transaction of the one who took it is open; of an SQLite file
    there is a copy. Other databases have neither: there `name` is empty, and every connection
    sees what is there when it looks.
    """

    database: Database
    name: str

    @property
    def is_kept(self) -> bool:
        """Whether what is read is what was there at that moment."""
        return bool(self.name)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection that sees the database as it was then.

        Raises:
            Unavailable: the one who took the snapshot has ended.
        """
        if not self.name or self.database.dialect != POSTGRESQL:
            if self.name and not Path(self.name).is_file():
                raise self._gone()
            with self._place.connect() as connection:
                yield connection
            return
        with self.database.connect() as connection:
            then = connection.execution_options(**_AT_ONE_MOMENT)
            try:
                then.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{self.name}'")
            except (sa.exc.ProgrammingError, sa.exc.DataError) as error:
                raise self._gone() from error
            yield then

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"{self.database.uri}: the snapshot that this job reads is gone, because the server "
            f"or the run that took it has ended; run the same again"
        )

    @property
    def _place(self) -> Database:
        if not self.name:
            return self.database
        return Database(self.database.url.set(database=self.name), self.database.unusable)


def take(table: TableName) -> tuple[Snapshot, Callable[[], None]]:
    """Return the database of a table as it is now, and what lets go of it."""
    database = table.database
    if database.dialect == POSTGRESQL:
        return _export(table)
    if database.file is not None and database.file.is_file():
        return _copy(database, database.file)
    return Snapshot(database, ""), lambda: None


def _export(table: TableName) -> tuple[Snapshot, Callable[[], None]]:
    database = table.database
    held = ExitStack()
    connection = held.enter_context(database.connect()).execution_options(**_AT_ONE_MOMENT)
    try:
        # The transaction does nothing while others read: that must not end it.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        name = str(connection.scalar(sa.select(sa.func.pg_export_snapshot())))
        if sa.inspect(connection).has_table(table.name, table.schema):
            # Who looks at a table keeps others from emptying it by TRUNCATE, which no snapshot
            # outlives.
            source = sa.table(table.name, schema=table.schema)
            connection.execute(sa.select(sa.literal(1)).select_from(source).limit(0))
    except BaseException:
        held.close()
        raise
    if not _NAME.fullmatch(name):
        held.close()
        raise Unavailable(f"{database.uri}: the server has no snapshots that can be shared")

    def let_go() -> None:
        with suppress(ModelportError, sa.exc.SQLAlchemyError):
            held.close()

    return Snapshot(database, name), _only_here(let_go)


def _copy(database: Database, file: Path) -> tuple[Snapshot, Callable[[], None]]:
    folder, let_go = temporary_folder("snapshot")
    copy = folder / file.name
    try:
        with database.connect() as connection:
            original = connection.connection.driver_connection
            assert isinstance(original, sqlite3.Connection)
            _back_up(database, original, copy)
    except BaseException:
        let_go()
        raise
    return Snapshot(database, str(copy)), let_go


def _back_up(database: Database, original: sqlite3.Connection, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as target:
            original.backup(target)
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"{database.uri}: it cannot be copied to {copy.parent} to be read as it is now: "
            f"{error}; TMPDIR names another place for the copy"
        ) from error


def _only_here(let_go: Callable[[], None]) -> Callable[[], None]:
    """Return what does nothing in a process that was forked from this one."""
    here = os.getpid()

    def do() -> None:
        if os.getpid() == here:
            let_go()

    return do
