"""A batch job that is killed repeatedly has the output of an undisturbed one, byte by byte."""

import os
import random
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.cli.files import GOOD, tree, write_csv
from tests.integration.cli.killing import start
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Place
from tests.integration.s3 import BUCKET, Bucket
from tests.integration.sql.tables import rows_of, tables_of

KILLS = {
    "out.csv": 20,
    "out.parquet": 8,
    "out.jsonl": 8,
    "out.csv.gz": 6,
    "parts/": 6,
    "places/": 6,
    "s3": 6,
    "sqlite": 8,
    "postgresql": 20,
}
OPTIONS = {"places/": ["--partition-by", "ocean_proximity", "--format", "csv"]}
ROWS = 2_400
CHUNK_ROWS = 100
# To repeat a run: the seed is in the output of a test that failed.
SEED = int(os.environ.get("KILLING_SEED") or secrets.randbits(32))


@dataclass(frozen=True)
class Output:
    """Where a job writes: how to look at it, and how to start from nothing."""

    uri: str
    result: Callable[[], Any]
    check: Callable[[Any], None]
    wipe: Callable[[], None]


@pytest.fixture
def source(trained: Place) -> Path:
    """Rows that are all different, some of them bad."""
    rows = []
    for number in range(ROWS):
        places = "NEAR BAY", "INLAND", "<1H OCEAN"
        row = GOOD | {"median_income": f"{0.5 + number / 1000}"}
        row["ocean_proximity"] = places[number % len(places)]
        rows.append(row | {"latitude": "91"} if number % 41 == 7 else row)
    return write_csv(trained / "in.csv", rows)


def file_output(where: Place, name: str) -> Output:
    """Return an output in a file, or a folder, that is in a folder of its own."""
    folder = where / "outputs"
    output = folder / name
    rejects = output.with_name(f"{output.name}.rejects.jsonl")

    def result() -> list[Any]:
        return [_content(path) for path in (output, rejects)]

    def wipe() -> None:
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [f".{output.name}.receipt.json", output.name, rejects.name]
        ), "nothing else is left of a job that is finished"
        shutil.rmtree(folder)

    return Output(f"outputs/{name}", result, partial(check_whole, result), wipe)


def _content(path: Path) -> bytes | dict[str, bytes] | None:
    if path.is_dir():
        return tree(path)
    return path.read_bytes() if path.exists() else None


def check_whole(result: Callable[[], Any], whole: Any) -> None:
    """An output under its final name is complete at any time."""
    for found, expected in zip(result(), whole, strict=True):
        assert found in (None, expected)


def object_output(where: Place, bucket: Bucket) -> Output:
    """Return an output in a bucket."""
    names = ["out.csv", "out.csv.rejects.jsonl"]

    def result() -> list[bytes | None]:
        there = bucket.keys("killed")
        return [bucket.get(f"killed/{name}") if name in there else None for name in names]

    def wipe() -> None:
        assert bucket.keys("killed") == [".out.csv.receipt.json", *names]
        for name in bucket.keys("killed"):
            bucket.remove(f"killed/{name}")
        left = tree(where / "artifacts" / "objects")
        assert not left, "nothing is left on the disk"

    return Output(f"s3://{BUCKET}/killed/out.csv", result, partial(check_whole, result), wipe)


def database_output(url: str) -> Output:
    """Return an output in tables of a database of its own."""
    queries = (
        'SELECT * FROM scored ORDER BY job, chunk, "row"',
        'SELECT * FROM scored_rejects ORDER BY job, chunk, "row", error',
        "SELECT * FROM scored_chunks ORDER BY job, chunk",
    )
    of_chunk = "FROM scored s WHERE s.job = c.job AND s.chunk = c.chunk"
    of_row = "FROM scored_chunks c WHERE s.job = c.job AND s.chunk = c.chunk"
    halves = (
        f"SELECT count(*) FROM scored_chunks c WHERE scored <> (SELECT count(*) {of_chunk})",
        f"SELECT count(*) FROM scored s WHERE NOT EXISTS (SELECT * {of_row})",
    )
    status = "SELECT status FROM scored_jobs"

    def result() -> list[list[tuple[Any, ...]]]:
        return [rows_of(url, query) for query in queries]

    def check(whole: Any) -> None:
        """A chunk and its receipt exist together or not at all, and a completed job is whole."""
        if not {"scored", "scored_jobs", "scored_chunks"} <= tables_of(url):
            return
        assert [rows_of(url, query) for query in halves] == [[(0,)], [(0,)]]
        assert rows_of(url, status) != [("finished",)] or result() == whole

    def wipe() -> None:
        assert rows_of(url, status) == [("finished",)]
        for table in tables_of(url):
            rows_of_nothing = f"DELETE FROM {table} RETURNING 1"
            assert rows_of(url, rows_of_nothing)

    return Output(f"{url}#scored", result, check, wipe)


def output_of(kind: str, where: Place, request: pytest.FixtureRequest) -> Output:
    """Return the output of a kind, on the server that it needs."""
    match kind:
        case "postgresql":
            return database_output(request.getfixturevalue("postgres_url"))
        case "sqlite":
            return database_output(f"sqlite:///{where / 'out.db'}")
        case "s3":
            return object_output(where, request.getfixturevalue("s3"))
        case _:
            return file_output(where, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLS)
def test_a_job_killed_many_times_has_the_same_output_as_an_undisturbed_one(
    trained: Place, source: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    print(f"KILLING_SEED={SEED}")
    chance = random.Random(f"{SEED} {kind}")
    output = output_of(kind, trained, request)
    log = trained / "log"
    command = ["predict", str(source), output.uri, "--chunk-rows", str(CHUNK_ROWS)]
    command += ["--keep", "median_income", "--workers", "2", *OPTIONS.get(kind, [])]

    usual = 60.0  # the quickest so far: the first run also starts what others are forked from

    def run(seconds: float) -> bool:
        """Run the job for some seconds; return whether it ended before it was killed."""
        nonlocal usual
        begun = monotonic()
        process = start(trained, log, *command)
        process.join(seconds)
        usual = min(usual, monotonic() - begun) if process.exitcode == 0 else usual
        process.kill()
        process.join(STOP_SECONDS)
        assert process.exitcode in (0, -9), log.read_text()
        return process.exitcode == 0

    assert run(60)
    whole = output.result()
    output.wipe()
    kills = finished = 0
    while kills < KILLS[kind]:
        if run(chance.uniform(0, 0.7 * usual)):
            assert output.result() == whole
            output.wipe()
            finished += 1
        else:
            kills += 1
            output.check(whole)
    assert run(60)
    assert output.result() == whole
    output.wipe()
    print(f"{kills} kills, {finished + 1} times finished, {usual:.2f} s undisturbed")
