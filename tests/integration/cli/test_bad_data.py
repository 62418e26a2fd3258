"""Invalid data: messages, exit codes, and no files left behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from tests.integration.cli.files import GOOD, read_rows, tree, write_csv
from tests.integration.program import Place

ROW = GOOD | {"median_house_value": "452600"}
OTHER = GOOD | {"longitude": "-121.9", "median_house_value": "85000"}
HEADER, LINE = ",".join(ROW).encode(), ",".join(ROW.values()).encode()

OBJECT = json.dumps(
    {name: cell if name == "ocean_proximity" else float(cell) for name, cell in ROW.items()}
).encode()


def text(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


# Files that cannot be read as a table of the schema at all: how each is written, what is said.
UNUSABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "a missing column": (
        text(HEADER.replace(b"latitude", b"lat"), LINE),
        "no column 'latitude'",
    ),
    "a column twice": (
        text(HEADER.replace(b"latitude", b"longitude"), LINE),
        "column 'longitude' appears twice",
    ),
    "a byte that is not UTF-8": (
        text(HEADER, LINE, LINE.replace(b"NEAR BAY", b"NEAR B\xe4Y")),
        "UTF-8",
    ),
    "a quote without end": (text(HEADER, b'"' + LINE), "a quote not closed"),
}

# Cells that break the schema: column, cell, what is said.
CELLS: dict[str, tuple[str, str, str]] = {
    "text for a number": ("population", "many", "population: is not a number"),
    "NaN": ("population", "NaN", "population: is not a number"),
    "inf": ("population", "inf", "population: is not a finite number"),
    "1e400": ("population", "1e400", "population: is not a finite number"),
    "missing": ("population", "", "population: is missing"),
    "an unknown category": ("ocean_proximity", "MOON", "is not a known category"),
    "out of range": ("latitude", "90.001", "latitude: is out of range"),
}


def unusable(name: str, folder: Path) -> Path:
    path = folder / "bad.csv"
    path.write_bytes(UNUSABLE[name][0])
    return path


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("command", ["train --estimator ridge --data {}", "data check {}",
                                     "evaluate --data {}", "predict {} out.parquet"])  # fmt: skip
def test_a_file_that_is_not_a_table_is_refused(trained: Place, command: str, name: str) -> None:
    path = unusable(name, trained.folder)
    models = tree(trained / "artifacts/models")
    ran = trained.call(*command.format(path).split())
    assert ran.code == 65, ran
    assert "bad.csv" in ran.err
    assert UNUSABLE[name][1] in ran.err
    assert tree(trained / "artifacts/models") == models
    assert not [*trained.folder.glob("out*")]


@pytest.mark.parametrize("command", ["train --estimator ridge --data", "data check",
                                     "evaluate --data"])  # fmt: skip
def test_a_file_with_only_a_header_does_not_train_or_evaluate(trained: Place, command: str) -> None:
    (trained / "bad.csv").write_bytes(text(HEADER))
    ran = trained.call(*command.split(), "bad.csv")
    assert ran.code == 65, ran
    assert "bad.csv: there are no rows" in ran.err


RAGGED = {
    ".csv": (
        text(HEADER, LINE, b"1,2,3", LINE),
        "has 3 cells",
    ),
    ".jsonl": (
        text(OBJECT, b"{", OBJECT),
        "is not JSON",
    ),
}


@pytest.mark.parametrize("suffix", RAGGED)
def test_a_malformed_row_is_rejected_and_stops_training(trained: Place, suffix: str) -> None:
    content, said = RAGGED[suffix]
    path = trained / f"in{suffix}"
    path.write_bytes(content)
    for command in ("train --estimator ridge --data", "evaluate --data", "data check"):
        ran = trained.call(*command.split(), path)
        assert ran.code == 65
        assert said in ran.err + ran.out
    report = trained.good("predict", path, f"out{suffix}", "--json").document
    assert (report["rows"], report["rejected"]) == (3, 1)
    (reject,) = read_rows(trained / f"out{suffix}.rejects.jsonl")
    assert reject["row"] == 2
    assert [error["field"] for error in reject["errors"]] == [""]


@pytest.mark.parametrize("name", CELLS)
def test_a_bad_cell_stops_training(trained: Place, name: str) -> None:
    column, cell, said = CELLS[name]
    path = write_csv(trained / "bad.csv", [ROW, OTHER, ROW | {column: cell}, OTHER])
    models = tree(trained / "artifacts/models")
    ran = trained.call("train", "--estimator", "ridge", "--data", path)
    assert ran.code == 65
    assert "row 3, " in ran.err
    assert said in ran.err
    assert tree(trained / "artifacts/models") == models


@pytest.mark.parametrize("name", CELLS)
def test_a_bad_cell_rejects_only_its_row(trained: Place, name: str) -> None:
    column, cell, said = CELLS[name]
    path = write_csv(trained / "bad.csv", [ROW, OTHER, ROW | {column: cell}, OTHER])
    report = trained.good("predict", path, "out.csv", "--json").document
    assert (report["rows"], report["rejected"]) == (4, 1)
    assert len(read_rows(trained / "out.csv")) == 3
    (reject,) = read_rows(trained / "out.csv.rejects.jsonl")
    assert reject["row"] == 3
    assert said in f"{reject['errors'][0]['field']}: {reject['errors'][0]['problem']}"


@pytest.mark.parametrize("name", CELLS)
def test_a_check_counts_violations_by_field_and_problem(trained: Place, name: str) -> None:
    column, cell, said = CELLS[name]
    path = write_csv(trained / "bad.csv", [ROW, ROW | {column: cell}, ROW | {column: cell}])
    ran = trained.call("data", "check", path, "--json")
    assert ran.code == 65
    assert (ran.document["rows"], ran.document["rejected"]) == (3, 2)
    (fault,) = ran.document["faults"]
    assert (fault["field"], fault["rows"]) == (column, 2)
    assert said in f"{fault['field']}: {fault['problem']}"
    told = trained.call("data", "check", path)
    assert told.code == 65
    assert "2 of 3 rows break the schema" in told.err
    assert column in told.out


@pytest.mark.parametrize(("target", "said"), [("", "is missing"), ("dear", "is not a number")])
def test_a_row_without_the_target_stops_training(trained: Place, target: str, said: str) -> None:
    rows = [ROW, OTHER, ROW | {"median_house_value": target}, OTHER]
    ran = trained.call("train", "--data", write_csv(trained / "bad.csv", rows))
    assert ran.code == 65
    assert f"row 3, median_house_value: {said}" in ran.err


def test_a_table_without_the_target_stops_training(trained: Place) -> None:
    ran = trained.call("train", "--data", write_csv(trained / "bad.csv", [GOOD] * 9))
    assert ran.code == 65
    assert "no column 'median_house_value', which is the target" in ran.err


def test_a_constant_target_stops_training(trained: Place) -> None:
    rows = [ROW | {"longitude": str(-110 - place)} for place in range(30)]
    ran = trained.call("train", "--data", write_csv(trained / "bad.csv", rows))
    assert ran.code == 65
    assert "median_house_value is the same in all 30 rows" in ran.err


def test_too_few_rows_cannot_be_split(trained: Place) -> None:
    ran = trained.call("train", "--data", write_csv(trained / "bad.csv", [ROW, OTHER]))
    assert ran.code == 65
    assert "2 rows are too few" in ran.err


def test_a_good_table_passes_the_check(trained: Place) -> None:
    path = write_csv(trained / "good.csv", [ROW, OTHER])
    assert trained.good("data", "check", path).out == (
        f"{path}: all 2 rows fit the schema 'housing'\n"
    )
    document = trained.good("data", "check", path, "--json").document
    assert (document["rows"], document["rejected"], document["faults"]) == (2, 0, [])


@pytest.mark.parametrize("change", [
    lambda content: b"\xef\xbb\xbf" + content,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.rstrip(b"\n"),
    lambda content: content.replace(b"NEAR BAY", b'"NEAR BAY"'),
], ids=["a byte order mark", "CRLF", "no newline at the end", "quotes"])  # fmt: skip
def test_encoding_and_line_ends_of_a_file_change_no_prediction(
    trained: Place, change: Callable[[bytes], bytes]
) -> None:
    path = write_csv(trained / "plain.csv", [ROW, OTHER])
    (trained / "other.csv").write_bytes(change(path.read_bytes()))
    for name in ("plain", "other"):
        trained.good("predict", f"{name}.csv", f"{name}.jsonl", "--keep", "ocean_proximity")
    assert (trained / "plain.jsonl").read_bytes() == (trained / "other.jsonl").read_bytes()


def test_a_truncated_parquet_file_is_refused(trained: Place) -> None:
    path = trained / "bad.parquet"
    parquet.write_table(arrow_csv.read_csv(write_csv(trained / "x.csv", [ROW] * 99)), path)
    path.write_bytes(path.read_bytes()[:-100])
    ran = trained.call("predict", path, "out.csv")
    assert ran.code == 65
    assert "bad.parquet" in ran.err
    assert not (trained / "out.csv").exists()


def test_a_broken_line_of_json_is_rejected_by_number(trained: Place) -> None:
    path = trained / "bad.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{{'latitude'\n")
    ran = trained.call("predict", path, "out.csv")
    assert ran.code == 65
    first, second = read_rows(trained / "out.csv.rejects.jsonl")
    assert (first["row"], second["row"]) == (1, 2)
    (error,) = second["errors"]
    assert error["problem"].startswith("is not JSON: Expecting property name")
    assert error["allowed"] == "a JSON object"


def test_keeping_a_missing_column_is_refused(trained: Place) -> None:
    path = write_csv(trained / "in.csv", [ROW])
    ran = trained.call("predict", path, "out.csv", "--keep", "lattitude")
    assert ran.code == 65
    assert "no column 'lattitude' to keep; it has 'longitude'" in ran.err
    assert not [*trained.folder.glob("*out*")]


def test_a_column_outside_the_schema_is_ignored_with_a_warning(trained: Place) -> None:
    rows = [{**row, "colour": "red", "id": "7"} for row in (ROW, OTHER)]
    path = write_csv(trained / "in.csv", rows)
    said = f"ignored: {path} has columns that are not in the schema: 'colour', 'id'"
    ran = trained.good("predict", path, "out.csv", "--json")
    assert ran.document["ignored_columns"] == ["colour", "id"]
    assert said in ran.err
    kept = trained.good("predict", path, "kept.csv", "--keep", "id", "--json")
    assert kept.document["ignored_columns"] == ["colour"]
    plain = write_csv(trained / "plain.csv", [ROW, OTHER])
    assert "ignored" not in trained.good("predict", plain, "plain-out.csv").err
    table = [row | {"longitude": str(-110 - place)} for place, row in enumerate(rows * 15)]
    learnt = trained.call("train", "--data", write_csv(path, table), "--no-promote")
    assert learnt.code == 0
    assert said in learnt.err


def test_keeping_a_column_with_the_name_of_an_output_column_is_refused(trained: Place) -> None:
    path = write_csv(trained / "in.csv", [ROW | {"model": "x"}])
    ran = trained.call("predict", path, "out.csv", "--keep", "model")
    assert ran.code == 65
    assert "'model' cannot be kept" in ran.err


@pytest.mark.parametrize("target", ["in.csv/out.csv", "folder.csv"])
def test_an_output_that_cannot_be_written_is_unavailable(trained: Place, target: str) -> None:
    path = write_csv(trained / "in.csv", [ROW])
    (trained / "folder.csv").mkdir()
    before = tree(trained.folder)
    ran = trained.call("predict", path, target)
    assert ran.code == 69
    assert target in ran.err
    assert tree(trained.folder) == before


@pytest.mark.parametrize(
    ("target", "said"),
    [("out.xlsx", ".csv, .parquet, .jsonl"), ("out", ".csv"), ("https://x/o.csv", "a path, s3:")],
)
def test_an_output_of_unknown_format_is_refused(trained: Place, target: str, said: str) -> None:
    ran = trained.call("predict", write_csv(trained / "in.csv", [ROW]), target)
    assert ran.code == 78
    assert said in ran.err


def test_a_missing_file_is_not_found(trained: Place) -> None:
    for command in ("train --data {}", "predict {} out.csv", "data check {}", "evaluate --data {}"):
        ran = trained.call(*command.format("nowhere.csv").split())
        assert ran.code == 66
        assert "nowhere.csv" in ran.err


def test_reference_data_with_another_checksum_is_not_kept(trained: Place) -> None:
    path = write_csv(trained / "in.csv", [ROW])
    where = trained.having(MODELPORT_DATA_URL=path.as_uri(), MODELPORT_DATA_SHA256="0" * 64)
    ran = where.call("data", "fetch")
    assert ran.code == 65
    assert "expected was 000000" in ran.err
    assert not (trained / "data/raw/housing.csv").exists()


def test_reference_data_is_fetched_once_and_verified(
    trained: Place, housing_csv: Path, tmp_path: Path
) -> None:
    where = trained.having(MODELPORT_DATA_URL=housing_csv.as_uri())
    document = where.good("data", "fetch", "--json").document
    assert (document["path"], document["rows"]) == ("data/raw/housing.csv", 20640)
    assert (trained / "data/raw/housing.csv").read_bytes() == housing_csv.read_bytes()
    gone = trained.having(MODELPORT_DATA_URL="file:///nowhere.csv")
    assert gone.good("data", "fetch").err.count("not the reference data") == 0
    (trained / "data/raw/housing.csv").write_text("a\n1\n")
    other = gone.call("data", "fetch")
    assert other.code == 65
    assert "is not the reference data" in other.err
    assert (trained / "data/raw/housing.csv").read_text() == "a\n1\n"


def test_a_password_in_an_address_is_not_repeated(trained: Place) -> None:
    address = "postgresql+psycopg://me:open-sesame@127.0.0.1:9/db#t"
    for command in ("train --data {}", "predict {} out.csv", "data check {}", "predict in.csv {}"):
        write_csv(trained / "in.csv", [ROW])
        ran = trained.call(*command.format(address).split(), "--json")
        assert ran.code == 69, ran
        assert "sesame" not in ran.out + ran.err
