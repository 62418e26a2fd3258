"""The program as its users run it: a working directory, settings, commands and the server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

from entrypoints.cli import main
from tests.integration.processes import START_SECONDS, STOP_SECONDS
from tests.support.waiting import wait_until

PROGRAM = Path(sys.executable).with_name("modelport")
SCHEMA_FILE = Path(__file__).parents[2] / "data" / "housing.toml"

# Variables that would change what a test sees, wherever it runs.
_OURS = ("MODELPORT_", "MLFLOW_", "GIT_", "RAY_")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that is all of stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    """A working directory with settings of its own, in which commands are run."""

    folder: Path
    settings: Mapping[str, str]

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def having(self, **settings: str) -> "Place":
        """Return the same directory with more settings."""
        return replace(self, settings={**self.settings, **settings})

    def copy(self, target: Path) -> "Place":
        """Return a copy of the directory, to be changed."""
        shutil.copytree(self.folder, target, dirs_exist_ok=True)
        return replace(self, folder=target)

    def call(self, *arguments: str | Path, stdin: bytes = b"") -> Ran:
        """Run a command in this process, which saves the second that Python needs to start."""
        out, err = StringIO(), StringIO()
        with (
            _stdin(stdin),
            chdir(self.folder),
            _environment(self.environment),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main([*map(str, arguments)])
                code: int | str | None = 0
            except SystemExit as ended:
                code = ended.code
        return Ran(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> Ran:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=240,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def good(self, *arguments: str | Path, process: bool = False) -> Ran:
        """Run a command that must succeed."""
        ran = self.run(*arguments) if process else self.call(*arguments)
        assert ran.code == 0, ran
        return ran

    @property
    def environment(self) -> dict[str, str]:
        """Everything that a process started here finds in its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, **self.settings}

    def registered(self) -> list[tuple[str, list[str]]]:
        """Return every version with its aliases."""
        listed = self.good("models", "list", "--json").document["versions"]
        return [(version["model"], version["aliases"]) for version in listed]


def place(folder: Path, variant: str = "api-baseline", **settings: str) -> Place:
    """Return a place in a folder, for the reference schema.

    The code is never that of a commit, so that a commit during a test changes no bundle.
    """
    fixed = {
        "MODELPORT_VARIANT": variant,
        "MODELPORT_SCHEMA": str(SCHEMA_FILE),
        "GIT_DIR": str(folder / "no-git"),
    }
    return Place(folder, {**fixed, **settings})


@contextmanager
def _stdin(content: bytes) -> Iterator[None]:
    before, sys.stdin = sys.stdin, TextIOWrapper(BytesIO(content))
    try:
        yield
    finally:
        sys.stdin = before


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Server:
    """A running server: where it answers, its process, and what it has said."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        """Return what the server has written to stderr."""
        return self.log.read_text()

    def told(self) -> str:
        """Return what the server has written to stdout."""
        return self.log.with_suffix(".out").read_text()

    def stop(self) -> int:
        """Ask the server to end, as an operator would; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def serving(where: Place, *options: str, name: str = "server") -> Iterator[Server]:
    """Run `modelport serve` on a port of its own choice, until it listens."""
    log = where / f"{name}.log"
    with log.open("wb") as stderr, log.with_suffix(".out").open("wb") as stdout:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *options],
            cwd=where.folder,
            env=where.environment,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _address(log) is not None,
            START_SECONDS,
            lambda: f"the server starts:\n{log.read_text()}",
        )
        url = _address(log)
        assert url is not None, f"the server ended on its own:\n{log.read_text()}"
        yield Server(url, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _address(log: Path) -> str | None:
    said = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())
    return said[1] if said else None
