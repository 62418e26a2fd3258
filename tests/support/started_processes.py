"""A mark in the environment of every process that a test run starts; what is left is ended."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from types import FrameType

import pytest

_MARK = "TEST_RUN_OF_PROCESS"
_OWN = pytest.StashKey[str]()
_SECONDS_TO_END = 5.0
# Python starts one for a process that spawns others, and it ends with that process.
_TRACKER = "multiprocessing.resource_tracker"


def pytest_configure(config: pytest.Config) -> None:
    """Mark the environment, and let SIGTERM interrupt the run as Ctrl-C does.

    SIGINT is heeded too: a shell lets its background jobs, and all that they start, ignore it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _MARK in os.environ:  # a worker of pytest-xdist
        return
    config.stash[_OWN] = os.environ[_MARK] = uuid.uuid4().hex
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("SIGTERM")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """End every process of this run that is still alive; a complete run that has any fails."""
    yield
    mark = session.config.stash.get(_OWN, None)
    if mark is None:
        return
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        left = _alive_after(mark, _SECONDS_TO_END)
        for process, command in left.items():
            print(f"\nthe tests left a process behind: {process} {command}")
        if left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    for sign in (signal.SIGINT, signal.SIGKILL):  # on SIGINT PostgreSQL ends its sessions first
        for process in _marked(mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, sign)
        _alive_after(mark, _SECONDS_TO_END)


def _alive_after(mark: str, seconds: float) -> dict[int, str]:
    """Return the processes of the run, after a time in which they may end on their own."""
    deadline = monotonic() + seconds
    while (alive := _marked(mark)) and monotonic() < deadline:
        sleep(0.1)
    return alive


def _marked(mark: str) -> dict[int, str]:
    """Return the command line of every process whose environment has the mark (Linux only)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # it has ended, or belongs to another user
            continue
        if marked and command and _TRACKER not in command and int(folder.name) != os.getpid():
            found[int(folder.name)] = command
    return found
