"""A database by its URL: connections that raise domain errors, and URIs without passwords."""

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
_ERROR_TYPES: dict[str, type[ModelportError]] = {
    "IntegrityError": Conflict,
    "DataError": InvalidData,
    "OperationalError": Unavailable,
    "InterfaceError": Unavailable,
    "InternalError": Unavailable,
}


@dataclass(frozen=True)
class Database:
    """A database. Connections are not pooled: each is closed after use.

    `unusable` is the type of errors that have no other meaning.
    """

    url: sa.URL
    unusable: type[ModelportError] = Unavailable

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "Database":
        """Return the database of a URL that names no table.

        Raises:
            Misconfigured: it is not the URL of a database, or the driver is not installed.
        """
        if "#" in url:
            raise Misconfigured(
                f"a database URL without a #table is expected: {FORM}, "
                f"such as {EXAMPLES.format('')}"
            )
        return cls.at(url, "", unusable)

    @classmethod
    def at(cls, url: str, fragment: str, unusable: type[ModelportError]) -> "Database":
        """Return the database of a URL; errors show the form of its fragment, like `#table`."""
        database = cls(_parsed(url, fragment), unusable)
        _ = database.engine
        return database

    @cached_property
    def uri(self) -> str:
        """The URL without secrets."""
        query = {k: v for k, v in self.url.query.items() if not _is_secret(k)}
        return self.url._replace(
            password=None, query=sa.util.immutabledict(query)
        ).render_as_string()

    @property
    def dialect(self) -> str:
        """The kind of database, such as `postgresql`."""
        return self.url.get_backend_name()

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine of SQLAlchemy, not connected yet."""
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
                f"allowed: {EXAMPLES.format('')}, or the dialect of an installed package"
            ) from error
        except ImportError as error:
            raise Misconfigured(_missing_driver(self, error)) from error
        except (exc.ArgumentError, TypeError, ValueError) as error:
            raise Misconfigured(f"{self.uri}: {self._message(error)}") from error
        if driver == PSYCOPG:
            from adapters.sql.postgresql import stream_in_binary

            stream_in_binary(engine)
        return engine

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection for reading."""
        with self._errors_translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a transaction: committed at the end, rolled back after an error."""
        with self._errors_translated(), self.engine.begin() as connection:
            yield connection

    def require_file(self) -> None:
        """Check that the database file exists, since SQLite would create it.

        Raises:
            NotFound: it does not exist.
        """
        if not self.has_file():
            raise NotFound(f"{self.uri}: there is no such file")

    def has_file(self) -> bool:
        """Whether the database file exists; true if the database is not a file."""
        return self.file is None or self.file.is_file()

    def make_folder(self) -> None:
        """Create the folder of the database file, if there is none.

        Raises:
            Unavailable: it cannot be created.
        """
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{self.uri}: the folder cannot be created: {error.strerror}"
            ) from error

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for other databases."""
        path = self.url.database
        if self.dialect != SQLITE or not path or path == ":memory:" or path.startswith("file:"):
            return None
        return Path(path)

    def create(self, *tables: sa.Table) -> None:
        """Create the tables that do not exist; another process may do the same concurrently."""
        metadata = tables[0].metadata
        with self._errors_translated():
            for attempt in range(_CREATE_ATTEMPTS):
                try:
                    with self.engine.begin() as connection:
                        metadata.create_all(connection, tables=tables)
                    return
                except exc.DBAPIError:
                    if attempt == _CREATE_ATTEMPTS - 1:
                        raise

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        dbapi = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (exc.SQLAlchemyError, dbapi.Error) as error:
            raise self._error_type(error)(f"{self.uri}: {self._message(error)}") from error

    def _error_type(self, error: Exception) -> type[ModelportError]:
        """Return the domain error for an error of SQLAlchemy or of the driver (PEP 249)."""
        names = {ancestor.__name__ for ancestor in type(error).__mro__}
        found = (error_type for name, error_type in _ERROR_TYPES.items() if name in names)
        return next(found, self.unusable)

    def _message(self, error: Exception) -> str:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        text = " ".join(str(cause).split())
        password = self.url.password
        return text.replace(str(password), "***") if password else text


def _parsed(url: str, fragment: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        # SQLAlchemy's message may contain the URL with its password.
        raise Misconfigured(
            f"not the URL of a database; expected {FORM}{fragment}, "
            f"such as {EXAMPLES.format(fragment)}"
        ) from None


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRETS)


def _connect_args(driver: str, url: sa.URL) -> dict[str, Any]:
    return {k: v for k, v in _CONNECT.get(driver, {}).items() if k not in url.query}


def _missing_driver(database: Database, error: ImportError) -> str:
    driver = database.url.get_driver_name()
    if driver == PSYCOPG:
        advice = 'install modelport with its extra `sql`: pip install "modelport[sql]"'
    else:
        advice = (
            "install it, or use postgresql+psycopg (extra `sql`, "
            'pip install "modelport[sql]") or sqlite'
        )
    return f"{database.uri}: the driver {driver!r} cannot be imported ({error}); {advice}"
