"""Commands that are stopped by a signal: what they record, and how they end."""

import json
import shlex
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.program import PROGRAM, Place, place
from tests.support.waiting import wait_until

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


@contextmanager
def started(where: Place, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command in the background, and end it at the latest with the block."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=where.folder,
        env=where.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no lock
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def file_runs(home: Path) -> list[str]:
    """Return the status of each run; a run that has not ended has no line."""
    lines = (home / "runs/runs.jsonl").read_text().splitlines()
    return [json.loads(line)["status"] for line in lines] or ["running"]


def mlflow_runs(home: Path) -> list[str]:
    return [status.lower() for status in rows(home / "mlflow.db", "SELECT status FROM runs")]


def sql_runs(home: Path) -> list[str]:
    return rows(home / "runs.db", "SELECT status FROM modelport_runs")


def rows(database: Path, query: str) -> list[str]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return [value for (value,) in connection.execute(query)]


TRACKERS = {"file": file_runs, "mlflow": mlflow_runs, "sql": sql_runs}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [*CODES], ids=lambda sign: sign.name)
@pytest.mark.parametrize("tracker", [*TRACKERS])
def test_a_training_that_is_stopped_is_a_killed_run_and_leaves_no_version(
    tmp_path: Path, mlflow_tables: Path, tracker: str, sign: signal.Signals
) -> None:
    where = place(tmp_path, MODELPORT_TRACKER=tracker)
    (where / "artifacts").mkdir()
    if tracker == "mlflow":
        shutil.copy(mlflow_tables, where / "artifacts/mlflow.db")
    command = ["train", "--data", "sample:20000", "--param", "max_iter=100000"]
    with started(where, *command) as process:
        wait_until(
            lambda: process.poll() is not None or statuses(where, TRACKERS[tracker]) == ["running"],
            180,
            lambda: "the run has begun",
        )
        process.send_signal(sign)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (CODES[sign], ""), err
    assert "Traceback" not in err
    assert statuses(where, TRACKERS[tracker]) == ["killed"]
    assert where.registered() == []


def statuses(where: Place, read: Callable[[Path], list[str]]) -> list[str]:
    try:
        return read(where / "artifacts")
    except (OSError, sqlite3.Error):
        return []


@pytest.mark.slow
def test_a_batch_job_that_is_terminated_prints_the_command_that_resumes_it(trained: Place) -> None:
    options = ["--chunk-rows", "1000"]
    parts = trained.folder.glob
    with started(trained, "predict", "sample:100000", "out.csv", *options) as process:
        wait_until(
            lambda: process.poll() is not None or len([*parts(".out*.parts/*.json")]) > 5,
            120,
            lambda: "some chunks are written",
        )
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "interrupted: finished chunks are kept" in err
    command = shlex.split(err.splitlines()[-1])
    report = trained.good(*command[1:], "--json").document
    assert 5 < report["resumed_chunks"] < report["chunks"]
