"""The lock and the receipt of an output file."""

import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.arrow.open_by_suffix import open_sink
from adapters.arrow.writing.file_sink import FileSink
from domain.data.table import Table
from domain.errors import Conflict, Unavailable, Violation
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject

JOB = BatchJob("ab" * 32, "orchard/1", "cd" * 32, chunk_rows=3)
OTHER = replace(JOB, model="orchard/2")
REJECT = Reject(3, (Violation(2, "sort", "is missing", "one of 'apple'"),))
SUFFIXES = [".csv", ".parquet", ".jsonl"]


def run(path: Path, job: BatchJob = JOB, chunks: int = 2) -> FileSink:
    """Write an output and return the sink."""
    sink = open_sink(path)
    for index in range(chunks):
        sink.write_chunk(job, index, Table.of({"x": np.arange(3.0) + index}), [REJECT])
    sink.publish(job, chunks)
    return sink


@contextmanager
def holding(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run another process that has locked an output."""
    script = """
import sys
from pathlib import Path
from adapters.arrow.open_by_suffix import open_sink
from tests.integration.arrow.test_output_lock import JOB

with open_sink(Path(sys.argv[1])).locked(JOB):
    print("has it", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, path],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"has it\n"
        yield process


def test_two_processes_do_not_write_one_output_whatever_their_jobs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.csv"
    with holding(path) as process:
        for job in (JOB, OTHER):
            said = f"{path} is being written by another run (job {JOB.id}, process {process.pid} on"
            with (
                pytest.raises(Conflict, match=re.escape(said)),
                open_sink(path).locked(job),
            ):
                pytest.fail("two runs at once")
        with open_sink(path.with_name("other.csv")).locked(JOB):
            pass
    with open_sink(path).locked(OTHER):
        pass
    assert [*path.parent.iterdir()] == []


def test_a_killed_run_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with holding(path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        with open_sink(path).locked(OTHER):
            pass
    assert [*tmp_path.iterdir()] == []


def test_an_output_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sink = open_sink(tmp_path / "file" / "out.csv")
    with pytest.raises(Unavailable, match=r"out\.csv cannot be written"), sink.locked(JOB):
        pytest.fail("it cannot be locked")


def _change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["{}", "{}.rejects.jsonl", ".{}.receipt.json"])
@pytest.mark.parametrize("damage", [_change, _shorten, Path.unlink, _replace_by_folder])
def test_a_file_that_was_changed_since_is_not_finished(
    tmp_path: Path, suffix: str, name: str, damage: Callable[[Path], None]
) -> None:
    sink = run(tmp_path / f"out{suffix}")
    assert sink.finished(JOB) is not None
    damage(tmp_path / name.format(f"out{suffix}"))
    assert sink.finished(JOB) is None


def test_a_changed_rejects_file_is_not_finished(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.csv")
    sink.write_chunk(JOB, 0, Table.of({"x": np.arange(3.0)}), [])
    sink.publish(JOB, 1)
    assert sink.finished(JOB) is not None
    (tmp_path / "out.csv.rejects.jsonl").write_text("{}\n")
    assert sink.finished(JOB) is None


def test_the_output_of_another_job_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    run(path)
    run(path, OTHER)
    assert open_sink(path).finished(JOB) is None
    assert open_sink(path).finished(OTHER) is not None


def test_the_chunks_of_jobs_that_lost_the_output_are_removed(tmp_path: Path) -> None:
    path, neighbour = tmp_path / "out.csv", tmp_path / "out.csv.more.csv"
    for place in (path, neighbour):
        open_sink(place).write_chunk(OTHER, 0, Table.of({"x": np.arange(3.0)}), [])
    run(path)
    assert not open_sink(path).completed_chunks(OTHER)
    assert sorted(open_sink(neighbour).completed_chunks(OTHER)) == [0]


def test_chunks_of_a_killed_run_are_removed_from_a_finished_output(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    sink = run(path)
    left = tmp_path / f".out.csv.{JOB.id}.parts"
    left.mkdir()
    (left / "000001.encoded").touch()
    assert sink.finished(JOB) is not None
    assert not left.exists()


def test_a_sink_in_a_worker_needs_the_lock_of_the_run(
    tmp_path: Path,
) -> None:
    sink, rows = open_sink(tmp_path / "out.csv"), Table.of({"x": np.arange(3.0)})
    sent = pickle.loads(pickle.dumps(sink))
    with sink.locked(JOB):
        assert sent.write_chunk(JOB, 0, rows, []) == ChunkReceipt(0, 3, 0)
        with pytest.raises(Unavailable, match="on storage that all machines share"):
            sent.write_chunk(OTHER, 0, rows, [])
    with pytest.raises(
        Unavailable, match=rf"out\.csv: the run of job {JOB.id} is not visible from"
    ):
        sent.write_chunk(JOB, 1, rows, [])
    assert sorted(sink.completed_chunks(JOB)) == [0]
    elsewhere = pickle.loads(pickle.dumps(open_sink(tmp_path / "not" / "there" / "out.csv")))
    with pytest.raises(Unavailable, match="is not visible from"):
        elsewhere.write_chunk(JOB, 0, rows, [])
    assert not (tmp_path / "not").exists()
