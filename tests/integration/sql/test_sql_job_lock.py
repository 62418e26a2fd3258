"""One run of a job at a time: locks that end with the process that holds them."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.sql.sql_sink import SqlSink
from domain.data.table import Table
from domain.errors import Conflict, Unavailable
from domain.scoring.batch_job import BatchJob, ChunkReceipt
from tests.integration.processes import free_port
from tests.integration.sql.tables import execute, rows_of
from tests.support.waiting import wait_until

JOB = BatchJob("0" * 64, "orchard/1", "1" * 64, 3)
OTHER = replace(JOB, model="orchard/2")
SCRIPT = """
import sys
from adapters.sql.sql_sink import SqlSink
from tests.integration.sql.test_sql_job_lock import JOB

with SqlSink(sys.argv[1]).locked(JOB):
    print("has it", flush=True)
    sys.stdin.read()
"""


def part(index: int) -> Table:
    """Return the rows of a chunk of three."""
    return Table.of({"row": 3 * index + np.arange(1, 4), "x": np.arange(3.0)})


@pytest.fixture
def url(database_url: str) -> str:
    return f"{database_url}#scored"


@contextmanager
def holding(url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run another process that has locked the job."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"has it\n"
        yield process


def is_taken(url: str) -> bool:
    try:
        with SqlSink(url).locked(JOB):
            return False
    except Conflict:
        return True


def test_a_job_is_refused_to_a_second_process_until_the_first_ends(url: str) -> None:
    with holding(url):
        said = f"job {JOB.id} is being written by another run; wait until"
        with pytest.raises(Conflict, match=said), SqlSink(url).locked(JOB):
            pytest.fail("two runs at once")
        with SqlSink(url).locked(OTHER):  # a table takes several jobs at once
            pass
        with SqlSink(url.replace("#scored", "#others")).locked(JOB):
            pass
    wait_until(lambda: not is_taken(url), 30, lambda: "the lock is let go")


def test_a_killed_process_releases_the_lock(url: str) -> None:
    with holding(url) as process:
        assert is_taken(url)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        wait_until(lambda: not is_taken(url), 30, lambda: "the lock is let go")


def test_no_file_is_left_next_to_an_sqlite_file(sqlite_url: str, tmp_path: Path) -> None:
    sink = SqlSink(f"{sqlite_url}#scored")
    with sink.locked(JOB):
        sink.write_chunk(JOB, 0, part(0), [])
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sink = SqlSink(f"sqlite:///{tmp_path}/file/x.db#scored")
    with pytest.raises(Unavailable, match="cannot be created"), sink.locked(JOB):
        pytest.fail("it cannot be locked")


def test_a_server_that_is_down_is_unavailable() -> None:
    sink = SqlSink(f"postgresql+psycopg://me:hush@127.0.0.1:{free_port()}/db#scored")
    with pytest.raises(Unavailable, match="refused") as raised, sink.locked(JOB):
        pytest.fail("it cannot be locked")
    assert "hush" not in str(raised.value)


def test_a_lost_session_does_not_hide_the_error_of_the_job(postgres_url: str) -> None:
    cut_off = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"

    def job_that_fails() -> None:
        with SqlSink(f"{postgres_url}#scored").locked(JOB):
            execute(postgres_url, cut_off)
            raise Unavailable("the disk is full")

    with pytest.raises(Unavailable, match="the disk is full"):
        job_that_fails()


def test_a_job_that_is_written_again_is_running(database_url: str) -> None:
    sink, status = SqlSink(f"{database_url}#scored"), "SELECT status FROM scored_jobs"
    for index in range(2):
        sink.write_chunk(JOB, index, part(index), [])
    sink.publish(JOB, 2)
    execute(database_url, "DELETE FROM scored WHERE chunk = 0")
    sink.write_chunk(JOB, 0, part(0), [])
    assert rows_of(database_url, status) == [("running",)]
    assert sorted(sink.completed_chunks(JOB)) == [0, 1]
    execute(database_url, 'DELETE FROM scored WHERE chunk = 1 AND "row" = 5')
    assert sorted(sink.completed_chunks(JOB)) == [0], "a chunk that lacks a row does not count"
    sink.write_chunk(JOB, 1, part(1), [])
    sink.publish(JOB, 2)
    assert rows_of(database_url, status) == [("finished",)]


def test_a_database_that_no_other_process_can_reach_needs_no_lock() -> None:
    sink = SqlSink("sqlite://#scored")
    with sink.locked(JOB), sink.locked(JOB):
        assert sink.completed_chunks(JOB) == {}


def test_a_sink_in_a_worker_creates_no_file_without_the_lock(
    sqlite_url: str, tmp_path: Path
) -> None:
    sink, rows = SqlSink(f"{sqlite_url}#scored"), part(0)
    sent = pickle.loads(pickle.dumps(sink))
    with pytest.raises(Unavailable, match=rf"the run of job {JOB.id} is not visible from"):
        sent.write_chunk(JOB, 0, rows, [])
    assert [*tmp_path.iterdir()] == []
    with sink.locked(JOB):
        assert sent.write_chunk(JOB, 0, rows, []) == ChunkReceipt(0, 3, 0)
