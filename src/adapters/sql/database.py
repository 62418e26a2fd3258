"""A database by its URL: connections that raise domain errors, and names without passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from domain.errors import (
    Conflict,
    InvalidData,
    Misconfigured,
    ModelportError,
    NotFound,
    Unavailable,
)

POSTGRESQL = "postgresql"
PSYCOPG = "psycopg"
SQLITE = "sqlite"

FORM = "dialect+driver://user@host/database"
EXAMPLES = "postgresql+psycopg://user@host/db{0} or sqlite:///path/x.db{0}"
_CONNECT = {PSYCOPG: {"connect_timeout": 10}, "pysqlite": {"timeout": 30}}
_SECRETS = ("pass", "pwd", "odbc_connect", "token", "secret")
_CREATE_ATTEMPTS = 5
_MEANINGS: dict[str, type[ModelportError]] = {
    "IntegrityError": Conflict,
    "DataError": InvalidData,
    "OperationalError": Unavailable,
    "InterfaceError": Unavailable,
    "InternalError": Unavailable,
}


@dataclass(frozen=True)
class Database:
    """Where a database is. Connections are not pooled: each is closed when it is done with.

    `unusable` is raised where the database answers, but not as it should.
    """

    url: sa.URL
    unusable: type[ModelportError] = Unavailable

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "Database":
        """Return the database of a URL that names no table.

        Raises:
            Misconfigured: this is no URL of a database, or its driver is not installed.
        """
        if "#" in url:
            raise Misconfigured(
                f"a database URL without a #table is expected here: {FORM}, "
                f"such as {EXAMPLES.format('')}"
            )
        return cls.at(url, "", unusable)

    @classmethod
    def at(cls, url: str, fragment: str, unusable: type[ModelportError]) -> "Database":
        """Return the database of a URL that is used with such a fragment, like `#table`."""
        database = cls(_parsed(url, fragment), unusable)
        _ = database.engine
        return database

    @cached_property
    def uri(self) -> str:
        """The URL without anything that is secret."""
        query = {k: v for k, v in self.url.query.items() if not _is_secret(k)}
        return self.url._replace(
            password=None, query=sa.util.immutabledict(query)
        ).render_as_string()

    @property
    def dialect(self) -> str:
        """Which kind of database it is, such as `postgresql`."""
        return self.url.get_backend_name()

    @cached_property
    def engine(self) -> sa.Engine:
        """What connects; it has not connected yet."""
        try:
            driver = self.url.get_driver_name()
            engine = sa.create_engine(
                self.url,
                poolclass=NullPool,
                hide_parameters=True,
                connect_args=_connect_args(driver, self.url),
            )
        except exc.NoSuchModuleError as error:
            raise Misconfigured(
                f"{self.uri}: no database dialect {self.url.drivername!r} is known; "
                f"allowed: {EXAMPLES.format('')}, or one that an installed package adds"
            ) from error
        except ImportError as error:
            raise Misconfigured(_without_driver(self, error)) from error
        except (exc.ArgumentError, TypeError, ValueError) as error:
            raise Misconfigured(f"{self.uri}: {self._words(error)}") from error
        if driver == PSYCOPG:
            from adapters.sql.postgresql import stream_in_binary

            stream_in_binary(engine)
        return engine

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection to read with, and close it."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a connection with a transaction: committed on leaving, rolled back by an error."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def require_file(self) -> None:
        """Check that a database that is a file is there, since connecting would make it.

        Raises:
            NotFound: it is not.
        """
        if not self.has_file():
            raise NotFound(f"{self.uri}: there is no such file")

    def has_file(self) -> bool:
        """Whether the database's file is there; true where it is not a file."""
        return self.file is None or self.file.is_file()

    def make_folder(self) -> None:
        """Make the folder that the database's file is in, where there is none.

        Raises:
            Unavailable: it cannot be made.
        """
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{self.uri}: the folder cannot be made: {error.strerror}") from error

    @property
    def file(self) -> Path | None:
        """The file that an SQLite database is; None where it is not one."""
        path = self.url.database
        if self.dialect != SQLITE or not path or path == ":memory:" or path.startswith("file:"):
            return None
        return Path(path)

    def create(self, *tables: sa.Table) -> None:
        """Create those of the tables that are not there, also while somebody else does so."""
        metadata = tables[0].metadata
        with self._translated():
            for attempt in range(_CREATE_ATTEMPTS):
                try:
                    with self.engine.begin() as connection:
                        metadata.create_all(connection, tables=tables)
                    return
                except exc.DBAPIError:
                    if attempt == _CREATE_ATTEMPTS - 1:
                        raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        dbapi = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (exc.SQLAlchemyError, dbapi.Error) as error:
            raise self._meaning(error)(f"{self.uri}: {self._words(error)}") from error

    def _meaning(self, error: Exception) -> type[ModelportError]:
        """Return the error that stands for one of SQLAlchemy's or of the driver (PEP 249)."""
        names = {ancestor.__name__ for ancestor in type(error).__mro__}
        meanings = (error_type for name, error_type in _MEANINGS.items() if name in names)
        return next(meanings, self.unusable)

    def _words(self, error: Exception) -> str:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        words = " ".join(str(cause).split())
        password = self.url.password
        return words.replace(str(password), "***") if password else words


def _parsed(url: str, fragment: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        # The vendor's message may repeat the URL, and with it the password.
        raise Misconfigured(
            f"not the URL of a database; expected {FORM}{fragment}, "
            f"such as {EXAMPLES.format(fragment)}"
        ) from None


def _is_secret(key: str) -> bool:
    return any(part in key.lower() for part in _SECRETS)


def _connect_args(driver: str, url: sa.URL) -> dict[str, Any]:
    return {k: v for k, v in _CONNECT.get(driver, {}).items() if k not in url.query}


def _without_driver(database: Database, error: ImportError) -> str:
    driver = database.url.get_driver_name()
    if driver == PSYCOPG:
        cure = 'install modelport with its extra `sql`: pip install "modelport[sql]"'
    else:
        cure = (
            "install it, or use postgresql+psycopg (the extra `sql`, "
            'pip install "modelport[sql]") or sqlite'
        )
    return f"{database.uri}: the driver {driver!r} cannot be imported ({error}); {cure}"
