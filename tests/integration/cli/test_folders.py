"""Folders of files as the input and the output of a job."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.integration.cli.files import GOOD, write_csv
from tests.integration.program import Place


def test_a_reject_names_its_file_and_its_row_in_the_file(trained: Place) -> None:
    folder = trained / "months"
    folder.mkdir()
    write_csv(folder / "01.csv", [GOOD, GOOD])
    write_csv(folder / "02.csv", [GOOD, GOOD | {"latitude": "99"}])
    ran = trained.call("predict", "months", "out.csv")
    assert ran.code == 0, ran
    (line,) = (trained / "out.csv.rejects.jsonl").read_text().splitlines()
    assert line.startswith('{"row": 4, "file": "02.csv", "row_in_file": 2, "errors": [')
    assert len((trained / "out.csv").read_text().splitlines()) == 1 + 3
    again = trained.call("predict", "months/*.csv", "out.csv")
    assert "nothing to do" in again.out, again


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "target", ["out.csv", "out.parquet", "out.jsonl.gz", "out/", "sqlite:///out.db#scores"]
)
def test_an_input_without_rows_is_a_finished_job(trained: Place, suffix: str, target: str) -> None:
    write_csv(trained / "in.csv", [GOOD])
    trained.good("predict", "in.csv", "full.csv", "--keep", "latitude")
    header, _ = (trained / "full.csv").read_text().splitlines()
    pa_table = pa.table({name: pa.array([], pa.float64()) for name in GOOD})
    if suffix == "parquet":
        parquet.write_table(pa_table, trained / "in.parquet")
    else:
        (trained / f"in.{suffix}").write_text(",".join(GOOD) if suffix == "csv" else "")
    command = ["predict", f"in.{suffix}", target, "--keep", "latitude", "--json"]
    first, again = trained.good(*command).document, trained.good(*command).document
    assert (first["rows"], first["rejected"], first["already_finished"]) == (0, 0, False)
    assert again == {**first, "already_finished": True, "seconds": again["seconds"],
                     "resumed_chunks": 1}  # fmt: skip
    if target == "out.csv":
        assert (trained / "out.csv").read_text() == f"{header}\n"


def test_a_partitioned_folder_of_no_rows_is_empty(trained: Place) -> None:
    (trained / "in.csv").write_text(",".join(GOOD))
    trained.good("predict", "in.csv", "out/", "--partition-by", "ocean_proximity")
    assert [*(trained / "out").iterdir()] == []


def test_a_partitioned_folder_is_published_at_once_and_not_rewritten(trained: Place) -> None:
    rows = [GOOD, GOOD | {"ocean_proximity": "INLAND"}, GOOD | {"latitude": "99"}]
    write_csv(trained / "in.csv", rows)
    command = ["predict", "in.csv", "out/", "--partition-by", "ocean_proximity", "--format", "csv"]
    ran = trained.call(*command, "--json")
    assert ran.code == 0, ran
    assert sorted(path.name for path in (trained / "out").iterdir()) == [
        "ocean_proximity=INLAND",
        "ocean_proximity=NEAR%20BAY",
    ]
    part = Path(trained / "out" / "ocean_proximity=INLAND" / "part-00000.csv")
    assert part.read_text().startswith("prediction,model\n")
    again = trained.call(*command, "--json")
    assert again.document["already_finished"] is True
    other = trained.call(*command[:-1], "jsonl", "--json")
    assert other.document["already_finished"] is False
    assert other.document["job"] == ran.document["job"]
    assert not part.exists()


@pytest.mark.parametrize(
    ("target", "options", "code", "problem"),
    [
        (
            "out.csv",
            ["--partition-by", "latitude"],
            78,
            "a folder on a disk, with a slash at its end",
        ),
        ("s3://bucket/out.csv", ["--format", "csv"], 78, "a folder on a disk, with a slash"),
        ("out/", ["--format", "xlsx"], 78, ".parquet, .jsonl"),
        ("out/", ["--partition-by", "area"], 65, "no column 'area' to keep"),
    ],
)
def test_invalid_partitions_are_refused(
    trained: Place, target: str, options: list[str], code: int, problem: str
) -> None:
    write_csv(trained / "in.csv", [GOOD])
    ran = trained.call("predict", "in.csv", target, *options)
    assert (ran.code, ran.out) == (code, ""), ran
    assert problem in ran.err.replace("\n", " ")
