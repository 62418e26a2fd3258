import json
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.filesystem.file_tracker import FileTracker
from domain.errors import InvalidData, Unavailable
from tests.support.samples import CREATED, sample_data

ROOT = Path(__file__).parents[3]

TRACK_A_LONG_RUN = """
import sys
from pathlib import Path
from adapters.filesystem.file_tracker import FileTracker
from tests.support.samples import sample_data
with FileTracker(Path(sys.argv[1])).run("orchard", {"note": "x" * 4096}, sample_data()):
    pass
"""


def runs(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "runs.jsonl").read_bytes().splitlines()]


def test_a_run_is_one_line_with_times_in_utc(tmp_path: Path) -> None:
    times = iter([CREATED, CREATED + timedelta(seconds=2)])
    tracker = FileTracker(tmp_path, clock=lambda: next(times), new_id=lambda: "run-7")
    with tracker.run("orchard", {"seed": 7}, sample_data()) as run:
        run.log_metrics({"rmse": float("nan")})
        run.log_artifact("notes.txt", b"a note")
    assert runs(tmp_path) == [
        {
            "id": "run-7",
            "name": "orchard",
            "started": "2026-03-04T05:06:07.891+00:00",
            "status": "finished",
            "params": {"seed": 7},
            "data": sample_data().to_mapping(),
            "ended": "2026-03-04T05:06:09.891+00:00",
            "metrics": {"rmse": "nan"},
            "tags": {},
            "artifacts": ["notes.txt"],
        }
    ]
    assert (tmp_path / "artifacts" / "run-7" / "notes.txt").read_bytes() == b"a note"


def test_a_run_is_timed_and_named_by_itself(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    with FileTracker(tmp_path).run("orchard", {}, sample_data()) as run:
        pass
    (entry,) = runs(tmp_path)
    started, ended = (datetime.fromisoformat(entry[key]) for key in ("started", "ended"))
    assert before <= started <= ended <= datetime.now(UTC)
    assert entry["id"] == run.id


def test_a_failed_run_records_its_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="bad"),
        FileTracker(tmp_path).run("orchard", {}, sample_data()),
    ):
        raise ValueError("bad figures")
    (entry,) = runs(tmp_path)
    assert (entry["status"], entry["error"]) == ("failed", "ValueError: bad figures")


def test_runs_that_end_at_once_are_a_line_each(tmp_path: Path) -> None:
    def track(number: int) -> str:
        with FileTracker(tmp_path).run("orchard", {"n": number}, sample_data()) as run:
            run.log_tags({"text": "x" * 20_000})
        return run.id

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(track, range(40)))
    assert sorted(run["id"] for run in runs(tmp_path)) == sorted(ids)


def test_a_line_that_a_crash_cut_short_is_dropped_by_the_next_run(tmp_path: Path) -> None:
    tracker = FileTracker(tmp_path)
    for _ in range(2):
        with tracker.run("orchard", {}, sample_data()):
            pass
    whole = (tmp_path / "runs.jsonl").read_bytes()
    (tmp_path / "runs.jsonl").write_bytes(whole[:-20])
    with tracker.run("vineyard", {}, sample_data()):
        pass
    assert [run["name"] for run in runs(tmp_path)] == ["orchard", "vineyard"]


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    with FileTracker(tmp_path).run("orchard", {}, sample_data()):
        pass
    before = (tmp_path / "runs.jsonl").read_bytes()

    def at_most_two_kilobytes_a_file() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    process = subprocess.run(
        [sys.executable, "-c", TRACK_A_LONG_RUN, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=at_most_two_kilobytes_a_file,
    )
    assert process.returncode == 1
    (message,) = [line for line in process.stderr.splitlines() if "errors.Unavailable" in line]
    assert "runs.jsonl" in message
    assert (tmp_path / "runs.jsonl").read_bytes() == before


def test_what_cannot_be_recorded_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a regular file has no folders below it")
    tracker = FileTracker(tmp_path / "file" / "runs")
    begun = []
    with (
        pytest.raises(Unavailable, match=r"file/runs: Not a directory"),
        tracker.run("orchard", {}, sample_data()) as run,
    ):
        begun.append(run)
    assert begun == []


def test_an_error_outlives_a_tracker_that_cannot_record_it(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    error = ValueError("the fit failed")

    def fail() -> None:
        with FileTracker(root).run("orchard", {}, sample_data()):
            (root / "runs.jsonl").unlink()
            root.rmdir()
            root.write_text("not a folder any more")
            raise error

    with pytest.raises(ValueError, match="the fit failed") as raised:
        fail()
    assert raised.value is error
    (note,) = error.__notes__
    assert note.startswith("and the run could not be recorded: ")
    assert str(root) in note


@pytest.mark.parametrize("name", ["../escape.txt", "a/b", ".hidden", ""])
def test_an_artifact_cannot_leave_its_run(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(InvalidData, match="is not a plain file name"),
        FileTracker(tmp_path).run("orchard", {}, sample_data()) as run,
    ):
        run.log_artifact(name, b"x")
    assert not (tmp_path / "artifacts" / "escape.txt").exists()
    (entry,) = runs(tmp_path)
    assert (entry["status"], entry["artifacts"]) == ("failed", [])
