"""A connection with MLflow's client: no output, short timeouts and translated errors.

MLflow reads its timeouts and its verbosity from the environment of the process only, in part while
it is imported. So it is imported inside functions, after `set_defaults`.
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
from adapters.mlflow.moved_home import ARTIFACTS, follow_home, local_path
from domain.errors import (
    Conflict,
    Misconfigured,
    ModelportError,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Environment variables of MLflow; a value that is already set is kept.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Otherwise a model contains the lock file of the project in the working directory.
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    # Otherwise MLflow retries for four minutes if a server is down.
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
    """Set MLflow's environment variables, except those that the user has set."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def pages(search: Callable[..., Any], **query: Any) -> Iterator[Any]:
    """Yield everything that a search finds, page by page."""
    token = None
    while True:
        page = search(page_token=token, **query)
        yield from page
        token = page.token
        if not token:
            return


class MlflowConnection:
    """A connection to a tracking server, or to its database, opened at the first call.

    If the URI is a database, this process opens it and keeps artifacts in `home`.
    """

    def __init__(self, tracking_uri: str, home: Path) -> None:
        set_defaults()
        self.home = home.resolve()
        self._database = sqlite_file(tracking_uri)
        self.uri = f"sqlite:///{self._database}" if self._database else tracking_uri
        self.is_server = _scheme(tracking_uri) in _SERVERS
        self.where = self.uri if self._database else _without_secrets(tracking_uri)
        database = self._database
        self._lock = Path(f"{database}.lock") if database else self.home / "mlflow.lock"
        self._opening = Lock()
        self._opened: MlflowClient | None = None

    @contextmanager
    def client(self) -> Iterator["MlflowClient"]:
        """Yield MLflow's client; the block raises domain errors instead of MLflow's."""
        with self.translated():
            with self._opening:
                client = self._opened = self._opened or self._open()
            yield client

    @contextmanager
    def writing(self) -> Iterator["MlflowClient"]:
        """Yield the client while no other process of this machine writes.

        Processes share the lock if they share the SQLite database, or else the home folder.
        """
        with self.client() as client, locked(self._lock):
            yield client

    def experiment(self, name: str) -> str:
        """Return the id of an experiment; create it if needed, with its artifacts in `home`.

        By MLflow's default the artifacts are in the working directory.
        """
        from mlflow.exceptions import MlflowException

        folder = None if self.is_server else (self.home / ARTIFACTS / name).as_uri()
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
                    f"{self.where}: the experiment {name!r} was deleted; restore it with "
                    f"mlflow experiments restore --experiment-id {found.experiment_id}"
                )
            if not self.is_server:
                self._require_folder(name, found.artifact_location)
            return found.experiment_id

    def _require_folder(self, name: str, address: str) -> None:
        """Refuse to create folders outside of the home folder, where another one once was.

        The same holds for MLflow's own experiment, `Default`: it is in some working directory.
        """
        path = local_path(address)
        if path is None or path.is_relative_to(self.home):
            return
        if not path.exists() or name == "Default":
            raise Misconfigured(
                f"{self.where}: the experiment {name!r} keeps its files in {path}, which is not in "
                f"the home folder {self.home}; use another name, or move its files back"
            )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of MLflow, a database or the operating system into domain errors."""
        try:
            yield
        except ModelportError:
            raise
        except Exception as error:
            kind = _kind(error)
            if kind is None:
                raise
            raise kind(f"{self.where}: {self._message(error)}") from error

    def _open(self) -> "MlflowClient":
        """Return a client of a server, or of a database after its tables were created.

        Two processes that create the tables at the same time break the database.
        """
        from mlflow import MlflowClient

        if self.is_server:
            return MlflowClient(self.uri, self.uri)
        with locked(self._lock):
            _require_database(self.uri, self._database)
            client = MlflowClient(self.uri, self.uri)
            client.search_registered_models(max_results=1)
            if self._database and self._database.parent == self.home:
                follow_home(self._database)
            return client

    def _message(self, error: Exception) -> str:
        """Return the message of an error in one line, without the secrets of the URI."""
        cause = error.__context__ or error
        if type(cause).__module__.startswith("requests."):
            return f"the MLflow server does not answer: {_reason(cause)}"
        return self._hide(_first_line(error))

    def _hide(self, message: str) -> str:
        parts = urlsplit(self.uri)
        user, _, _ = parts.netloc.rpartition("@")
        secrets = (user and f"{user}@", parts.password, unquote(parts.password or ""))
        for secret in filter(None, secrets):
            message = message.replace(secret, "***")
        return message


def _reason(error: BaseException) -> str:
    """Return the operating system's reason, which is nested in other errors."""
    found = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", str(error))
    if found is not None:
        return found[1].strip().lower()
    return "it took too long" if "timed out" in str(error) else type(error).__name__


def _kind(error: Exception) -> type[ModelportError] | None:
    """Return the domain error for an error; None if MLflow does not raise such an error."""
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
    # MLflow does not translate errors of its database.
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
        Misconfigured: the URI is not supported.
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
    """Raise at once if the database cannot be opened: MLflow would try for minutes."""
    if file:
        address = f"{file.as_uri()}?mode=rwc"
        with closing(sqlite3.connect(address, timeout=_SECONDS, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    elif host := urlsplit(uri).hostname:
        port = urlsplit(uri).port or _PORTS[_scheme(uri)]
        socket.create_connection((host, port), timeout=_SECONDS).close()
