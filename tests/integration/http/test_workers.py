"""Several worker processes behind one port."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from tests.integration.http.conftest import ready
from tests.integration.http.test_server import BODY, ask, connected
from tests.integration.processes import START_SECONDS, STOP_SECONDS
from tests.integration.program import Place, Server, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CALLERS = 64


@dataclass
class NewCallers:
    """Callers that open a new connection for each request, and what became of each request."""

    server: Server
    answered: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    def call(self) -> None:
        while not self.stopped.is_set():
            begun = monotonic()
            try:
                status = str(ask(self.server, "/predict", BODY)[0])
            except (OSError, HTTPException) as error:
                status = repr(error)
            if status == "200":
                self.answered += 1
            else:
                self.failed.append((begun, status))

    def failed_since(self, begun: float) -> list[str]:
        """Return what became of failed requests that began after this time."""
        return [status for at, status in self.failed if at > begun]

    def answer_more(self, number: int = 200) -> None:
        """Wait until more requests are answered."""
        target = self.answered + number
        wait_until(lambda: self.answered >= target, START_SECONDS, lambda: str(self))


@contextmanager
def calling(server: Server) -> Iterator[NewCallers]:
    callers = NewCallers(server)
    threads = [Thread(target=callers.call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.stopped.set()
        for thread in threads:
            thread.join()


def worker_pids(server: Server) -> list[int]:
    """Return the workers: the children of the supervisor, without Python's own helper process."""
    supervisor = server.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in command_line(pid)]


def command_line(pid: str) -> bytes:
    """Return the command of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def ready_count(server: Server) -> int:
    return server.said().count("ready: housing/")


def test_no_caller_is_taken_before_there_is_a_model(served: Place) -> None:
    with serving(served, "--workers", "3") as server, calling(server) as callers:
        callers.answer_more(600)
        assert ask(server, "/health/ready")[0] == 200
    assert callers.failed == []


def test_a_killed_worker_fails_no_new_connection(served: Place) -> None:
    with serving(served, "--workers", "2") as server, calling(server) as callers:
        ready(server, 2)
        callers.answer_more()
        killed = worker_pids(server)[0]
        os.kill(killed, signal.SIGKILL)
        # Until the process is dead, it may accept a connection and then cut the response.
        wait_until(lambda: killed not in worker_pids(server), STOP_SECONDS, server.said)
        dead = monotonic()
        wait_until(lambda: ready_count(server) == 3, START_SECONDS, server.said)
        callers.answer_more()
        assert len(worker_pids(server)) == 2
    assert callers.failed_since(dead) == []


def test_a_stopped_worker_fails_no_new_connection_and_is_replaced(served: Place) -> None:
    with serving(served, "--workers", "2") as server:
        ready(server, 2)
        stopped, other = worker_pids(server)
        os.kill(stopped, signal.SIGSTOP)
        with calling(server) as callers:
            callers.answer_more()
            assert stopped in worker_pids(server)
            wait_until(lambda: ready_count(server) == 3, START_SECONDS, server.said)
            callers.answer_more()
        assert f"worker {stopped} does not respond; it is killed" in server.said()
        assert other in worker_pids(server)
    assert callers.failed == []


def test_a_reload_replaces_each_worker_and_fails_no_connection(served: Place) -> None:
    with serving(served, "--workers", "2") as server, calling(server) as callers:
        ready(server, 2)
        before = {*worker_pids(server)}
        callers.answer_more()
        server.process.send_signal(signal.SIGHUP)

        def replaced() -> bool:
            now = {*worker_pids(server)}
            return len(now) == 2 and not now & before

        wait_until(replaced, START_SECONDS, server.said)
        callers.answer_more()
    assert callers.failed == []


def test_a_reload_with_a_wrong_setting_is_cancelled(served: Place) -> None:
    with serving(served, "--workers", "2") as server:
        ready(server, 2)
        before = worker_pids(server)
        (served / ".env").write_text("MODELPORT_MAX_ROWS=none\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the reload is cancelled" in server.said(), START_SECONDS, server.said)
        assert worker_pids(server) == before
        assert ask(server, "/predict", BODY)[0] == 200
        assert server.stop() == 0


def test_workers_without_a_model_say_so_until_all_have_one(tmp_path: Path) -> None:
    where = place(tmp_path, MODELPORT_POLL_SECONDS="0.2")
    with serving(where, "--workers", "2") as server:
        assert ask(server, "/health/live")[0] == 200
        assert ask(server, "/health/ready")[0] == 503
        where.good("train", "--data", "sample:400", "--estimator", "dummy", process=True)
        wait_until(lambda: ask(server, "/health/ready")[0] == 200, START_SECONDS, server.said)
        with calling(server) as callers:
            callers.answer_more()
    assert callers.failed == []


def test_workers_end_with_their_supervisor(served: Place) -> None:
    with serving(served, "--workers", "2") as server:
        ready(server, 2)
        workers = worker_pids(server)
        server.process.kill()
        server.process.wait(STOP_SECONDS)
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers),
            STOP_SECONDS,
            server.said,
        )


def test_connections_that_come_together_are_shared_by_the_workers(served: Place) -> None:
    with serving(served, "--workers", "2") as server, ExitStack() as callers:
        ready(server, 2)
        before = {pid: sockets(pid) for pid in worker_pids(server)}

        def taken() -> list[int]:
            return [sockets(pid) - held for pid, held in before.items()]

        for _ in range(CALLERS):
            callers.enter_context(connected(server))
        wait_until(lambda: sum(taken()) >= CALLERS, STOP_SECONDS, lambda: str(taken()))
        assert min(taken()) >= CALLERS // 8


def sockets(pid: int) -> int:
    """Return how many sockets a process has open."""
    names = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(name.startswith("socket:") for name in names)
