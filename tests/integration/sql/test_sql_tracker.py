import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.sql.sql_tracker import METADATA, SqlTracker
from domain.errors import Misconfigured, Unavailable
from tests.integration.contracts.tracker import (
    ORIGIN,
    PARAMS,
    ReadBack,
    Recorded,
    TrackerContract,
    origin_of,
)
from tests.integration.processes import free_port
from tests.integration.sql.tables import execute, rows_of, tables_of
from tests.support.samples import sample_data

PROCESSES = 4


class TestSqlTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, database_url: str) -> SqlTracker:
        return SqlTracker(database_url, ORIGIN)

    @pytest.fixture
    def recorded(self, database_url: str) -> ReadBack:
        def read(run_id: str) -> Recorded:
            of_run = f"WHERE run_id = '{run_id}'"
            query = "SELECT name, status, data_uri, data_sha256, data_md5 FROM modelport_runs"
            ((name, status, uri, sha256, md5),) = rows_of(
                database_url, f"{query} WHERE id = '{run_id}'"
            )
            params, metrics, tags, artifacts = (
                {row[0]: row[1] for row in rows_of(database_url, f"SELECT {columns} {of_run}")}
                for columns in (
                    "key, value FROM modelport_params",
                    "key, value FROM modelport_metrics",
                    "key, value FROM modelport_tags",
                    "name, content FROM modelport_artifacts",
                )
            )
            contents = {name: bytes(content) for name, content in artifacts.items()}
            about = tags.get("title", ""), tags.get("parent", ""), origin_of(tags)
            data = uri, sha256, md5
            return Recorded(name, status, params, metrics, tags, contents, *data, *about)

        return read


def test_a_run_has_a_status_and_times(database_url: str) -> None:
    times = iter([datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), datetime(2026, 3, 4, 6, tzinfo=UTC)])
    tracker = SqlTracker(database_url, clock=lambda: next(times), new_id=lambda: "run-1")
    query = "SELECT id, status, started_at, ended_at FROM modelport_runs"
    with tracker.run("orchard", PARAMS, sample_data()):
        ((run_id, status, started, ended),) = rows_of(database_url, query)
        assert (run_id, status, ended) == ("run-1", "running", None)
        assert str(started).startswith("2026-03-04 05:06:07")
    ((_, status, _, ended),) = rows_of(database_url, query)
    assert status == "finished"
    assert str(ended).startswith("2026-03-04 06:00:00")


def test_a_nan_metric_is_null(database_url: str) -> None:
    with SqlTracker(database_url).run("orchard", {}, sample_data()) as run:
        run.log_metrics({"r2": float("nan"), "rmse": float("inf")})
        run.log_metrics({})
    found = rows_of(database_url, "SELECT key, value FROM modelport_metrics ORDER BY key")
    assert found == [("r2", None), ("rmse", float("inf"))]


def test_parameters_are_text_or_json(database_url: str) -> None:
    params: dict[str, object] = {
        "kind": "ridge",
        "none": None,
        "on": True,
        "list": [1, "a"],
        "empty": {},
    }
    with SqlTracker(database_url).run("orchard", params, sample_data()):
        pass
    found = dict(rows_of(database_url, "SELECT key, value FROM modelport_params"))
    assert found == {
        "kind": "ridge",
        "none": "null",
        "on": "true",
        "list": '[1, "a"]',
        "empty": "{}",
    }


def _record(url: str, start: "multiprocessing.synchronize.Barrier") -> None:
    start.wait(60)
    with SqlTracker(url).run("orchard", PARAMS, sample_data()) as run:
        run.log_metrics({"rmse": 1.0})


@pytest.mark.slow
def test_processes_can_create_the_tables_concurrently(database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    workers = [
        context.Process(target=_record, args=(database_url, start)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert tables_of(database_url) == set(METADATA.tables)
    found = rows_of(database_url, "SELECT status FROM modelport_runs")
    assert found == [("finished",)] * PROCESSES
    assert len(rows_of(database_url, "SELECT value FROM modelport_metrics")) == PROCESSES


def test_the_error_of_a_run_is_raised_when_the_tracker_is_lost(database_url: str) -> None:
    error = RuntimeError("the fit failed")

    def fail() -> None:
        with SqlTracker(database_url).run("orchard", {}, sample_data()):
            execute(database_url, "ALTER TABLE modelport_runs RENAME TO gone")
            raise error

    with pytest.raises(RuntimeError) as raised:
        fail()
    assert raised.value is error
    assert "could not be recorded" in error.__notes__[0]


def test_a_server_that_is_down_is_unavailable() -> None:
    tracker = SqlTracker(f"postgresql+psycopg://modelport:hush@127.0.0.1:{free_port()}/db")
    with (
        pytest.raises(Unavailable, match="refused") as e,
        tracker.run("orchard", {}, sample_data()),
    ):
        raise AssertionError
    assert "hush" not in str(e.value)


def test_the_folder_of_a_file_is_created(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/runs/x.db"
    with SqlTracker(url).run("orchard", {}, sample_data()):
        pass
    assert rows_of(url, "SELECT status FROM modelport_runs") == [("finished",)]


def test_a_folder_that_cannot_be_created_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    tracker = SqlTracker(f"sqlite:///{tmp_path}/file/x.db")
    with (
        pytest.raises(Unavailable, match="the folder cannot be created"),
        tracker.run("orchard", {}, sample_data()),
    ):
        raise AssertionError


def test_a_table_in_the_url_is_refused() -> None:
    with pytest.raises(Misconfigured, match="without a #table is expected"):
        SqlTracker("sqlite:///x.db#runs")
