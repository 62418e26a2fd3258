"""Batch jobs that run again: after completion, interruption or failure, or concurrently."""

import csv
import json
import resource
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.files import GOOD, tree, write_csv
from tests.integration.processes import installed_postgres
from tests.integration.program import PROGRAM, Place
from tests.integration.sql.tables import rows_of, tables_of
from tests.support.waiting import wait_until

CHUNK = 500
BIG = "sample:60000"
# More bytes than that no file may have, like on a disk with no more room: more than some chunks
# take and less than all of them.
FULL = {"out.csv": 100_000, "out.parquet": 50_000, "sqlite:///out.db#scored": 400_000}


@pytest.fixture
def two_bad(trained: Place) -> Path:
    """A file with two bad rows of five."""
    rows = [GOOD, GOOD | {"latitude": "91"}, GOOD, GOOD | {"population": "-1"}, GOOD]
    return write_csv(trained / "in.csv", rows)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_completed_job_is_not_repeated(trained: Place, two_bad: Path, suffix: str) -> None:
    first = trained.good("predict", two_bad, f"out{suffix}", "--json").document
    before = tree(trained.folder)
    times = (trained / f"out{suffix}").stat().st_mtime_ns
    again = trained.good("predict", two_bad, f"out{suffix}", "--workers", "1", "--json").document
    assert (first["already_finished"], again["already_finished"]) == (False, True)
    same = ("job", "model", "output", "rejects", "rows", "rejected", "chunks")
    assert [again[name] for name in same] == [first[name] for name in same]
    assert tree(trained.folder) == before
    assert (trained / f"out{suffix}").stat().st_mtime_ns == times
    told = trained.good("predict", two_bad, f"out{suffix}").out
    assert "nothing to do" in told
    assert "this job was completed before; the output is unchanged" in told


def test_a_changed_output_is_written_again(trained: Place, two_bad: Path) -> None:
    trained.good("predict", two_bad, "out.csv")
    made = tree(trained.folder)
    (trained / "out.csv").write_text("prediction\n1\n")
    again = trained.good("predict", two_bad, "out.csv", "--json").document
    assert not again["already_finished"]
    assert tree(trained.folder) == made


@pytest.mark.parametrize(
    "change", [["--model", "housing/1"], ["--keep", "latitude"], ["--chunk-rows", "2"], []]
)
def test_another_job_replaces_the_output(trained: Place, two_bad: Path, change: list[str]) -> None:
    first = trained.good("predict", two_bad, "out.csv", "--json").document
    if not change:
        write_csv(two_bad, [GOOD, GOOD])
    again = trained.good("predict", two_bad, "out.csv", *change, "--json").document
    assert not again["already_finished"]
    assert again["job"] != first["job"]
    assert (again["rejects"] is None) == (not change)
    assert (trained / "out.csv.rejects.jsonl").exists() == bool(change)


def started(where: Place, *arguments: str) -> "subprocess.Popen[str]":
    """Start a large job; return when some of its chunks are written."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=where.folder,
        env=where.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no lock
    )
    wait_until(
        lambda: process.poll() is not None or len([*where.folder.glob(".out*.parts/*.json")]) > 5,
        60,
        lambda: "some chunks are written",
    )
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.slow
def test_an_interrupted_job_prints_the_command_that_resumes_it(trained: Place) -> None:
    options = ["--keep", "latitude", "--keep", "ocean_proximity", "--chunk-rows", str(CHUNK)]
    process = started(trained, "predict", BIG, "out put.csv", *options)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "interrupted: finished chunks are kept" in err
    assert not (trained / "out put.csv").exists()
    trained.good("models", "promote", "housing/1")
    command = shlex.split(err.splitlines()[-1])
    assert command[:2] == ["modelport", "predict"]
    report = trained.good(*command[1:], "--json").document
    assert report["model"] == "housing/2", "the version that the job began with"
    assert report["rows"] == 60_000
    assert 5 < report["resumed_chunks"] < report["chunks"]
    whole = trained.good("predict", BIG, "whole.csv", "--model", "housing/2", *options, "--json")
    assert whole.document["resumed_chunks"] == 0
    assert (trained / "out put.csv").read_bytes() == (trained / "whole.csv").read_bytes()


@pytest.mark.slow
def test_a_second_run_to_the_same_output_is_refused(trained: Place) -> None:
    command = ["predict", BIG, "out.csv", "--chunk-rows", str(CHUNK), "--json"]
    process = started(trained, *command)
    second = trained.call(*command)
    other = trained.call("predict", str(trained.settings["MODELPORT_DATA"]), "out.csv")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["rows"] == 60_000
    for refused in (second, other):
        assert refused.code == 75
        said = f"out.csv is being written by another run (job {json.loads(out)['job']}, process "
        assert said + str(process.pid) in refused.err
    with (trained / "out.csv").open(newline="") as stream:
        assert sum(1 for _ in csv.reader(stream)) == 60_001


def test_a_job_with_too_many_rejects_stops_unless_allowed(trained: Place) -> None:
    rows = [GOOD | {"latitude": "91"} if i % 3 else GOOD for i in range(3_000)]
    source = write_csv(trained / "in.csv", rows)
    old = tree(trained.folder)
    options = ["predict", str(source), "out.csv", "--chunk-rows", "100", "--workers", "1"]
    ran = trained.call(*options)
    assert ran.code == 65
    assert "at most 1,500 of 3,000 may (max rejects); the first is row 2, lat" in ran.err
    assert {name: tree(trained.folder)[name] for name in old} == old
    assert not (trained / "out.csv").exists()
    for limit in ("1999", "66%"):
        assert trained.call(*options, "--max-rejects", limit).code == 65
    report = trained.good(*options, "--max-rejects", "2000", "--json").document
    assert (report["rows"], report["rejected"]) == (3_000, 2_000)
    assert report["resumed_chunks"] > 10
    assert trained.call(*options, "--max-rejects", "many").code == 78


def test_few_rejects_do_not_stop_a_small_job(trained: Place) -> None:
    source = write_csv(trained / "in.csv", [GOOD, *[GOOD | {"latitude": "91"}] * 9])
    assert trained.good("predict", source, "out.csv", "--json").document["rejected"] == 9
    ran = trained.call("predict", source, "strict.csv", "--max-rejects", "50%")
    assert (ran.code, (trained / "strict.csv").exists()) == (65, False)


def test_an_unwritable_output_prints_the_command_that_resumes(trained: Place) -> None:
    (trained / "file").write_text("")
    ran = trained.call("predict", "sample:10", "file/out.csv", "--keep", "latitude")
    assert ran.code == 69
    assert "file/out.csv cannot be written" in ran.err
    assert ran.err.splitlines()[-1] == (
        "  modelport predict --model housing/2 --keep latitude sample:10 file/out.csv"
    )


@pytest.mark.parametrize("output", FULL)
def test_a_job_stopped_by_a_full_disk_resumes(trained: Place, output: str) -> None:
    command = ["predict", "sample:8000", output, "--chunk-rows", "1000", "--keep", "latitude"]
    ran = subprocess.run(
        [PROGRAM, *command],
        cwd=trained.folder,
        env=trained.environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FULL[output], FULL[output])),
    )
    assert ran.returncode == 69, ran
    assert "Traceback" not in ran.stderr
    said = "File too large" if output.startswith("out") else "disk"
    assert said in ran.stderr
    assert "To resume:\n  modelport predict --model housing/2" in ran.stderr
    assert not (trained / "out.csv").exists()
    assert not (trained / "out.parquet").exists()
    assert not [*trained.folder.rglob("*.tmp")]
    report = trained.good(*shlex.split(ran.stderr.splitlines()[-1])[1:], "--json").document
    assert (report["rows"], report["chunks"]) == (8_000, 8)
    assert report["resumed_chunks"] > 0
    whole = output.replace("out", "whole")
    trained.good(*[whole if word == output else word for word in command])
    assert result_of(trained, output) == result_of(trained, whole)


def result_of(where: Place, output: str) -> bytes | list[tuple[Any, ...]]:
    """Return what a job has left, in order."""
    if "#" not in output:
        return (where / output).read_bytes()
    path = output.removeprefix("sqlite:///").removesuffix("#scored")
    return rows_of(f"sqlite:///{where / path}", 'SELECT * FROM scored ORDER BY chunk, "row"')


@pytest.mark.slow
def test_a_job_stopped_by_a_lost_database_resumes(
    trained: Place,
) -> None:
    options = ["--chunk-rows", str(CHUNK), "--keep", "latitude", "--json"]

    def count() -> int:
        there = "scored_chunks" in tables_of(server.url())
        return len(rows_of(server.url(), "SELECT 1 FROM scored_chunks")) if there else 0

    with installed_postgres() as (server, serving):
        command = ["predict", "sample:30000", f"{server.url()}#scored", *options]
        with serving():
            process = subprocess.Popen(
                [PROGRAM, *command],
                cwd=trained.folder,
                env=trained.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            wait_until(lambda: process.poll() is not None or count() > 3, 60, lambda: "chunks")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 69, err
        assert "Traceback" not in err
        assert "To resume:\n  the same command again" in err
        assert "sesame" not in err
        with serving():
            report = trained.good(*command).document
            whole = trained.good("predict", "sample:30000", f"{server.url()}#whole", *options)
            assert report["resumed_chunks"] > 3
            assert whole.document["resumed_chunks"] == 0
            one, other = (
                rows_of(server.url(), f'SELECT * FROM {name} ORDER BY chunk, "row"')
                for name in ("scored", "whole")
            )
            assert len(one) == 30_000 - report["rejected"]
            assert one == other


def test_the_command_that_resumes_contains_no_password(trained: Place) -> None:
    url = "postgresql+psycopg://me:open-sesame@127.0.0.1:1/db#scored"
    ran = trained.call("predict", "sample:10", url)
    assert ran.code == 69
    assert "sesame" not in ran.err
    assert "the same command again" in ran.err


def test_the_command_that_resumes_is_shown_with_a_url_without_a_password(trained: Place) -> None:
    url = "postgresql+psycopg://me@127.0.0.1:1/db?application_name=x#scored"
    ran = trained.call("predict", "sample:10", url)
    assert ran.code == 69
    assert url in ran.err.rpartition("To resume:")[2]
    assert "secret" not in ran.err
