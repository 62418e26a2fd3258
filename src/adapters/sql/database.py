"""Databases and their tables by URL: connections that raise domain errors, URIs without secrets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

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

_FORM = "dialect+driver://user@host/database"
_EXAMPLES = "postgresql+psycopg://user@host/db{0} or sqlite:///path/x.db{0}"
_CONNECT = {PSYCOPG: {"connect_timeout": 10}, "pysqlite": {"timeout": 30}}
_SECRETS = ("pass", "pwd", "odbc_connect", "token", "secret")
_CREATE_ATTEMPTS = 5
_MAX_LISTED = 20
_ERROR_TYPES: dict[str, type[ModelportError]] = {
    "IntegrityError": Conflict,
    "DataError": InvalidData,
    "OperationalError": Unavailable,
    "InterfaceError": Unavailable,
    "InternalError": Unavailable,
}


ColumnTypes: TypeAlias = Mapping[str, sa.types.TypeEngine[Any]]


@dataclass(frozen=True)
class Database:
    """A database. Connections are not pooled: each is closed after use.

    `unusable` is the type of all errors that no other domain error describes. `copy` is the path of
    a copy of an SQLite file that is read in its place; messages name the original.
    """

    url: sa.URL
    unusable: type[ModelportError] = Unavailable
    copy: str | None = None

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "Database":
        """Return the database of a URL that names no table.

        Raises:
            Misconfigured: it is not the URL of a database, or the driver is not installed.
        """
        if "#" in url:
            raise Misconfigured(
                f"a database URL without a #table is expected: {_FORM}, "
                f"such as {_EXAMPLES.format('')}"
            )
        return cls.at(url, "", unusable)

    @classmethod
    def at(cls, url: str, fragment: str, unusable: type[ModelportError]) -> "Database":
        """Return the database of a URL; errors show the form of its fragment, like `#table`."""
        try:
            database = cls(sa.make_url(url), unusable)
        except (exc.ArgumentError, ValueError):
            # SQLAlchemy's message may contain the URL with its password.
            raise Misconfigured(
                f"not the URL of a database; expected {_FORM}{fragment}, "
                f"such as {_EXAMPLES.format(fragment)}"
            ) from None
        _ = database.engine
        return database

    @cached_property
    def uri(self) -> str:
        """The URL without secrets."""
        return self._public.render_as_string()

    @property
    def has_secret(self) -> bool:
        """Whether the URL contains a password or another secret."""
        return self._public != self.url

    @property
    def _public(self) -> sa.URL:
        secrets = [k for k in self.url.query if any(part in k.lower() for part in _SECRETS)]
        return self.url.difference_update_query(secrets)._replace(password=None)

    @property
    def dialect(self) -> str:
        """The kind of database, such as `postgresql`."""
        return self.url.get_backend_name()

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine of SQLAlchemy, not connected yet."""
        try:
            driver = self.url.get_driver_name()
            defaults = _CONNECT.get(driver, {}).items()
            args = {k: v for k, v in defaults if k not in self.url.query}
            url = self.url if self.copy is None else self.url.set(database=self.copy)
            engine = sa.create_engine(
                url, poolclass=NullPool, hide_parameters=True, connect_args=args
            )
        except exc.NoSuchModuleError as error:
            raise Misconfigured(
                f"{self.uri}: no database dialect {self.url.drivername!r} is known; "
                f"allowed: {_EXAMPLES.format('')}, or the dialect of an installed package"
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

    def has_file(self) -> bool:
        """Whether the database file exists, which SQLite would create; true for other databases."""
        return self.file is None or self.file.is_file()

    def make_folder(self) -> None:
        """Create the folder of the database file if it does not exist.

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


_QUERY = re.compile(r"#\s*((?:select|with)\s.*)", re.IGNORECASE | re.DOTALL)


def split_query(url: str) -> tuple[str, str | None]:
    """Return a URL without its fragment `#SELECT …`, and this query; None if it has none."""
    found = _QUERY.search(url)
    if found is None:
        return url, None
    return url[: found.start()], found[1].strip().removesuffix(";")


@dataclass(frozen=True)
class TableName:
    """A table of a database: the URL's fragment, `table` or `schema.table`; or a query."""

    database: Database
    name: str
    schema: str | None = None
    query: str | None = None

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "TableName":
        """Return the table of a URL with a fragment.

        Raises:
            Misconfigured: there is no fragment, it is not the URL of a database, or the driver is
                not installed.
        """
        address, query = split_query(url)
        if query is not None:
            return cls(Database.at(address, "#SELECT …", unusable), "query", query=query)
        address, hash_sign, fragment = url.rpartition("#")
        schema, _, name = fragment.rpartition(".")
        if not hash_sign or not name:
            raise Misconfigured(
                f"a database URL must name its table after a #: {_FORM}#table or "
                f"{_FORM}#schema.table, such as {_EXAMPLES.format('#block_groups')}"
            )
        database = Database.at(address, "#table", unusable)
        return cls(database, unquote(name), unquote(schema) or None)

    @property
    def uri(self) -> str:
        """The URL without secrets."""
        return f"{self.database.uri}#{self}"

    def __str__(self) -> str:
        """The fragment of the URL: a dot in a name is `%2E`; of a query its digest."""
        if self.query is not None:
            return f"query-{sha256(self.query.encode()).hexdigest()[:8]}"
        return ".".join(_encoded(name) for name in (self.schema, self.name) if name is not None)

    def inspector(self, connection: sa.Connection) -> sa.Inspector:
        """Return an inspector of the database.

        Raises:
            NotFound: the database has no schema of this name; lists the existing ones.
        """
        inspector = sa.inspect(connection)
        if self.schema is not None and not inspector.has_schema(self.schema):
            raise NotFound(
                f"{self.database.uri}: no schema {self.schema!r}; schemas there: "
                f"{_listed(inspector.get_schema_names())}. {self._dotted}"
            )
        return inspector

    def missing(self, inspector: sa.Inspector) -> NotFound:
        """Return the error for a missing table; it lists the existing ones."""
        names = [*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)]
        text = f"{self.database.uri}: no table {str(self)!r}; tables there: {_listed(names)}"
        return NotFound(text if self.schema is None else f"{text}. {self._dotted}")

    @property
    def _dotted(self) -> str:
        name = _encoded(f"{self.schema}.{self.name}")
        return f"A table whose name has a dot is written with %2E: #{name}"


def _encoded(name: str) -> str:
    """Return a name as a fragment has it; other characters than these need no encoding."""
    return name.replace("%", "%25").replace(".", "%2E").replace("#", "%23")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    shown = ", ".join(map(_encoded, sorted(names)[:_MAX_LISTED]))
    return f"{shown}{more}" if names else "none"


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
