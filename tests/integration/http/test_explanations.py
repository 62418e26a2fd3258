"""A flood of explanations: it is bounded, stops when its callers leave, and delays nothing else."""

import http.client
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.http.conftest import ready
from tests.integration.http.test_hang_ups import hang_up, request, rows
from tests.integration.http.test_keys import made, status
from tests.integration.http.test_server import BODY, ask
from tests.integration.processes import START_SECONDS, STOP_SECONDS
from tests.integration.program import Place, Server, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CALLERS = 16
LIMIT = 4
# A promise of the documentation.
REVOKED_SECONDS = 2.0


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a model whose explanations take long."""
    made = place(tmp_path_factory.mktemp("forest"), MODELPORT_MAX_EXPLANATIONS_IN_FLIGHT=str(LIMIT))
    made.good(
        *("train", "--data", "sample:600", "--estimator", "random_forest"),
        *("--param", "n_estimators=150", "--param", "min_samples_leaf=1"),
    )
    return made


@contextmanager
def flood(server: Server, token: str = "") -> Iterator["Counter[int]"]:
    """Let callers ask for explanations of 100 rows without a pause; give the statuses so far."""
    statuses, stop, address = Counter[int](), Event(), urlsplit(server.url)
    headers = {"Content-Type": "application/json", "X-API-Key": token}
    body, seconds = rows(100), 2 * START_SECONDS

    def ask_on() -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection(address.netloc, timeout=seconds)
            connection.request("POST", "/explain", body, headers)
            response = connection.getresponse()
            statuses[response.status] += 1
            if response.status == 503:
                assert response.headers["Retry-After"]
                stop.wait(0.1)
            connection.close()

    threads = [Thread(target=ask_on) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_revoked_key_is_refused_in_time_under_a_flood(forest: Place) -> None:
    locked = forest.having(MODELPORT_API_KEYS_FILE="keys.json")
    caller, flooding = made(locked, "shop", "predict"), made(locked, "flood", "predict")
    with serving(locked) as server:
        ready(server)
        with flood(server, flooding) as statuses:
            wait_until(lambda: statuses[503] > CALLERS, START_SECONDS, server.said)
            assert status(server, caller) == 200
            locked.good("keys", "revoke", "shop")
            since = time.monotonic()
            while status(server, caller) == 200:
                pass
            assert time.monotonic() - since < REVOKED_SECONDS
            assert status(server, flooding) == 200
        assert not {*statuses} - {200, 503}
        assert server.stop() == 0
        assert "Traceback" not in server.said()


def test_the_work_stops_when_the_callers_leave(forest: Place) -> None:
    with serving(forest) as server:
        ready(server)
        assert explain(server, rows(1))[0] == 200
        began = cpu_of_child(server)
        assert explain(server, rows(100))[0] == 200
        one = cpu_of_child(server) - began
        for _ in range(20):
            hang_up(server, request("/explain", rows(100)), pause=0.02)
        # Each caller leaves at most a few rows of work; all of it would be 20 times `one`.
        wait_until(lambda: explain(server, BODY)[0] == 200, STOP_SECONDS, server.said)
        assert cpu_of_child(server) - began < 8 * one
        assert server.told().count('"route":"/explain","status":499') >= LIMIT
        for _ in range(LIMIT):
            hang_up(server, request("/explain", rows(100)), pause=0.02)
        assert server.stop() == 0, "threads of callers who left start no process at exit"
        assert "Traceback" not in server.said()


def explain(server: Server, body: bytes) -> tuple[int, Any]:
    """Ask for an explanation; the first one waits until the libraries are loaded."""
    return ask(server, "/explain", body, 2 * START_SECONDS)


def child_of(server: Server) -> Path:
    """Return the folder in /proc of the process that explains."""
    (child,) = (
        each
        for each in Path("/proc").glob("[0-9]*")
        if parent_of(each) == server.process.pid and b"spawn_main" in command_of(each)
    )
    return child


def cpu_of_child(server: Server) -> float:
    """Return the processor time that the process which explains has used, in seconds."""
    fields = (child_of(server) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def command_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_an_ended_process_is_replaced(forest: Place) -> None:
    with serving(forest) as server:
        ready(server)
        status_before, before = explain(server, BODY)
        assert status_before == 200
        os.kill(int(child_of(server).name), signal.SIGKILL)
        wait_until(lambda: explain(server, BODY)[0] == 200, STOP_SECONDS, server.said)
        assert explain(server, BODY) == (200, before)
