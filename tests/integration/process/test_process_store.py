"""What becomes of a store's process when something goes wrong on either side."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from adapters.process.process_model_store import ProcessStore
from domain.errors import Misconfigured, NotFound, Unavailable
from domain.model.reference import ModelRef
from tests.benchmarks.processes import is_alive
from tests.integration.process.stores import OddStore, unbuildable
from tests.support.waiting import wait_until

SECONDS = 30.0


@pytest.fixture(autouse=True)
def these_stores_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProcessStore]:
    with closing(ProcessStore(partial(OddStore, tmp_path))) as store:
        yield store


def pid_of(store: ProcessStore) -> int:
    return int(store.names()[0])


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not is_alive(pid)


def test_calls_are_answered_by_one_other_process_that_leaves_the_cores_to_this_one(
    store: ProcessStore,
) -> None:
    first = store.names()
    assert int(first[0]) != os.getpid()
    assert int(first[1]) > os.nice(0)
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda _: store.names(), range(16))] == [first] * 16


def test_no_process_is_started_before_the_first_call_and_after_close(tmp_path: Path) -> None:
    store = ProcessStore(partial(OddStore, tmp_path))
    store.close()
    pid = pid_of(store)
    assert is_alive(pid)
    store.close()
    assert not is_alive(pid)


def test_ctrl_c_does_not_end_a_call(store: ProcessStore) -> None:
    pid = pid_of(store)
    with pytest.raises(NotFound, match="no model 'orchard'"):
        store.resolve(ModelRef("orchard"))
    assert pid_of(store) == pid


def test_a_process_that_ended_between_two_calls_is_started_anew(store: ProcessStore) -> None:
    pid = pid_of(store)
    os.kill(pid, signal.SIGKILL)
    wait_until(gone(pid), SECONDS, lambda: "the process ends")
    assert pid_of(store) != pid


def test_a_process_that_ends_in_a_call_is_named_and_started_anew(store: ProcessStore) -> None:
    pid = pid_of(store)
    with pytest.raises(Unavailable, match="was lost: it ended with -9"):
        store.versions("end")
    assert pid_of(store) != pid


@pytest.mark.parametrize("name", ["hang", "stopped"])
def test_a_process_that_does_not_answer_in_time_is_ended(tmp_path: Path, name: str) -> None:
    with closing(ProcessStore(partial(OddStore, tmp_path), seconds=3.0)) as store:
        pid = pid_of(store)
        if name == "stopped":
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="was lost: no answer within 3 seconds"):
            store.versions(name)
        wait_until(gone(pid), SECONDS, lambda: "the process ends")
        assert pid_of(store) != pid


def test_a_fault_of_the_store_is_told_with_its_traceback(store: ProcessStore) -> None:
    pid = pid_of(store)
    with pytest.raises(RuntimeError, match=r"(?s)the process of the model store.*KeyError: 'pear'"):
        store.versions("pear")
    assert pid_of(store) == pid


def test_a_store_that_cannot_be_made_says_why_at_each_call() -> None:
    with closing(ProcessStore(unbuildable)) as store:
        for _ in range(2):
            with pytest.raises(Misconfigured, match="there is no such store"):
                store.names()


@pytest.mark.parametrize(
    ("how", "sign"),
    [("end", None), ("wait", signal.SIGKILL), ("wait", signal.SIGTERM)],
    ids=["by itself", "killed", "terminated"],
)
def test_the_process_ends_with_the_one_that_started_it(
    tmp_path: Path, how: str, sign: signal.Signals | None
) -> None:
    program = [sys.executable, "-m", "tests.integration.process.starter", str(tmp_path), how]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if sign is not None:
            process.send_signal(sign)
        assert process.wait(SECONDS) == (0 if sign is None else -sign)
    wait_until(gone(pid), SECONDS, lambda: "the store's process ends")
    assert not is_alive(pid)
