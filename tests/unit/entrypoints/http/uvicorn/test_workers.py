"""The supervisor of worker processes, with workers that are no processes."""

import os
import signal
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from socket import socket, socketpair
from typing import ClassVar

import pytest
from uvicorn import Config

from entrypoints.http.uvicorn import workers
from entrypoints.http.uvicorn.worker_server import Command, Report
from entrypoints.http.uvicorn.workers import Workers, bind

WORKERS = 2


@dataclass
class FakeProcess:
    """A process that runs until it is told to end."""

    sentinel: socket
    pid: int = 0
    exitcode: int = 0
    runs: bool = True

    def is_alive(self) -> bool:
        return self.runs

    def terminate(self) -> None:
        self.runs = False

    kill = terminate

    def join(self, _: float | None = None) -> None:
        pass


@dataclass
class FakeWorker:
    """A worker that has a model at once, and never finishes its requests."""

    started: ClassVar[list["FakeWorker"]] = []
    open: ClassVar[ExitStack]
    reads: ClassVar[Iterator[int]]
    on_read: ClassVar[dict[int, Callable[[], None]]]

    config: Config
    listener: socket
    counts: MutableSequence[int]
    own: int
    told: set[Command] = field(default_factory=set)
    report: Report = Report.MODEL
    has_model: bool = True
    silent_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.channel, other = socketpair()
        self.process = FakeProcess(other)
        self.open.enter_context(self.channel)
        self.open.enter_context(other)
        self.started.append(self)

    @property
    def accepts(self) -> bool:
        return Command.ACCEPT in self.told

    def tell(self, command: Command) -> None:
        self.told.add(command)

    def read(self) -> None:
        self.silent_seconds = 0.0
        self.on_read.get(next(self.reads), lambda: None)()

    def close(self) -> None:
        pass


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeWorker]]:
    """All workers that the supervisor has started."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(workers, "Worker", FakeWorker)
    monkeypatch.setattr(workers, "_TICK_SECONDS", 0.001)
    FakeWorker.started.clear()
    FakeWorker.reads = count()
    with ExitStack() as FakeWorker.open:
        yield FakeWorker.started
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_a_reload_waits_for_workers_that_still_finish_requests(fakes: list[FakeWorker]) -> None:
    most: list[int] = []

    def note_and_finish() -> None:
        most.append(sum(fake.process.runs for fake in fakes))
        for fake in fakes[:WORKERS]:
            fake.process.runs = False

    reload = send(signal.SIGHUP)
    FakeWorker.on_read = {10: reload, 100: reload, 200: note_and_finish, 300: send(signal.SIGTERM)}
    config = Config("", host="127.0.0.1", port=0, workers=WORKERS)
    Workers(config, bind(config)).run()
    assert most == [2 * WORKERS]
    assert len(fakes) == 3 * WORKERS
