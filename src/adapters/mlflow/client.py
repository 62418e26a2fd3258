"""MLflow behind one door: quiet, quick to give up, and with its errors translated.

MLflow takes its time-outs, and how much it prints and reports, from the environment of the process
alone, some of it while it is imported. So it is imported inside functions, after `set_defaults`.
"""

import os
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from adapters.files.locks import locked
from domain.errors import (
    Conflict,
    Misconfigured,
    ModelportError,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What MLflow reads from its environment; a value that is set already is left as it is.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Else a model takes along the lock file of whatever project the working directory is.
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    # Else a server that is down is noticed after four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

_SERVERS = ("http", "https")
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_DATABASES = ("sqlite", *_PORTS)
_ALLOWED = "http(s)://host:port of a server, sqlite:///path/mlflow.db or another database's URL"

_SECONDS = 20
_LONGEST = 300


def set_defaults() -> None:
    """Tell MLflow, by its environment variables, how to behave; a user's own values win."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def pages(search: Callable[..., Any], **query: Any) -> Iterator[Any]:
    """Return everything that a search finds, page by page."""
    token = None
    while True:
        page = search(page_token=token, **query)
        yield from page
        token = page.token
        if not token:
            return


class Mlflow:
    """A tracking server and model registry by its URI; it is reached for at the first call.

    Where the URI is a database, this process opens it itself and keeps artifacts in `home`.
    """

    def __init__(self, tracking_uri: str, home: Path) -> None:
        set_defaults()
        self._home = home.resolve()
        self._database = sqlite_file(tracking_uri)
        self.uri = f"sqlite:///{self._database}" if self._database else tracking_uri
        self.is_server = _scheme(tracking_uri) in _SERVERS
        self.where = self.uri if self._database else _without_secrets(tracking_uri)
        self._opening = Lock()
        self._opened: MlflowClient | None = None

    @contextmanager
    def client(self) -> Iterator["MlflowClient"]:
        """Give MLflow's client to the block, in which MLflow's errors become the domain's."""
        with self.translated():
            with self._opening:
                client = self._opened = self._opened or self._open()
            yield client

    @contextmanager
    def writing(self) -> Iterator["MlflowClient"]:
        """Give the client to the block while no other process of this machine is in one.

        Processes share the lock if they share the SQLite database or, else, the home folder.
        """
        with self.client() as client, locked(self._lock):
            yield client

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, made where needed, with its artifacts in a fixed place.

        MLflow's own default would be a folder in whatever the working directory is.
        """
        from mlflow.exceptions import MlflowException

        folder = None if self.is_server else (self._home / "mlartifacts" / name).as_uri()
        with self.client() as client:
            found = client.get_experiment_by_name(name)
            if found is None:
                try:
                    return client.create_experiment(name, folder)
                except MlflowException:
                    found = client.get_experiment_by_name(name)
                    if found is None:
                        raise
            if found.lifecycle_stage == "deleted":
                raise Misconfigured(
                    f"{self.where}: the experiment {name!r} was deleted; bring it back by "
                    f"mlflow experiments restore --experiment-id {found.experiment_id}"
                )
            return found.experiment_id

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what MLflow, a database or the operating system raises into a domain error."""
        try:
            yield
        except ModelportError:
            raise
        except Exception as error:
            kind = _kind(error)
            if kind is None:
                raise
            raise kind(f"{self.where}: {self._words(error)}") from error

    @property
    def _lock(self) -> Path:
        if self._database:
            return self._database.with_name(self._database.name + ".lock")
        return self._home / "mlflow.lock"

    def _open(self) -> "MlflowClient":
        """Return a client of a database that has its tables, or of a server (not asked yet).

        Two processes that make the tables at the same time would break the database for good.
        """
        from mlflow import MlflowClient

        if self.is_server:
            return MlflowClient(self.uri, self.uri)
        with locked(self._lock):
            _require_database(self.uri, self._database)
            client = MlflowClient(self.uri, self.uri)
            client.search_registered_models(max_results=1)
            return client

    def _words(self, error: Exception) -> str:
        """Return an error's words in short, without the secrets of the URI."""
        cause = error.__context__ or error
        if type(cause).__module__.startswith("requests."):
            return f"the MLflow server does not answer: {_why_unreachable(cause)}"
        return self._hide(_first_line(error))

    def _hide(self, words: str) -> str:
        parts = urlsplit(self.uri)
        user, _, _ = parts.netloc.rpartition("@")
        secrets = (user and f"{user}@", parts.password, unquote(parts.password or ""))
        for secret in filter(None, secrets):
            words = words.replace(secret, "***")
        return words


def _why_unreachable(error: BaseException) -> str:
    """Return the operating system's word for a broken connection, out of a nest of errors."""
    found = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", str(error))
    if found is not None:
        return found[1].strip().lower()
    return "it took too long" if "timed out" in str(error) else type(error).__name__


def _kind(error: Exception) -> type[ModelportError] | None:
    """Return what an error is in the domain's words; None: nothing that MLflow would raise."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        if "IntegrityError" in str(error):
            return Conflict
        kinds: dict[str, type[ModelportError]] = {
            "RESOURCE_DOES_NOT_EXIST": NotFound,
            "RESOURCE_ALREADY_EXISTS": Conflict,
            "INVALID_PARAMETER_VALUE": Misconfigured,
            "UNAUTHENTICATED": Misconfigured,
            "PERMISSION_DENIED": Misconfigured,
        }
        return kinds.get(error.error_code, Unavailable)
    # MLflow lets its database's errors through as they are.
    if type(error).__module__.startswith("sqlalchemy."):
        return Conflict if type(error).__name__ == "IntegrityError" else Unavailable
    return Unavailable if isinstance(error, OSError | sqlite3.Error) else None


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite database; None for a server or another database.

    Raises:
        Misconfigured: it is the URI of something else.
    """
    scheme, path = _scheme(uri), uri.partition(":///")[2]
    if scheme not in (*_SERVERS, *_DATABASES) or (scheme == "sqlite" and path in ("", ":memory:")):
        raise Misconfigured(
            f"MLflow tracking URI: {_without_secrets(uri)!r} is not supported; allowed: {_ALLOWED}"
        )
    return Path(path).resolve() if scheme == "sqlite" else None


def _without_secrets(uri: str) -> str:
    return re.sub("(?<=://)[^?#]*@", "", uri).partition("?")[0]


def _require_database(uri: str, file: Path | None) -> None:
    """Refuse at once what cannot be opened, where MLflow would try for minutes."""
    if file:
        address = f"{file.as_uri()}?mode=rwc"
        with closing(sqlite3.connect(address, timeout=_SECONDS, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    elif host := urlsplit(uri).hostname:
        port = urlsplit(uri).port or _PORTS[_scheme(uri)]
        socket.create_connection((host, port), timeout=_SECONDS).close()
