"""Pipes as input and as output."""

import gzip
import json
import os
from threading import Thread

import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from tests.integration.cli.files import GOOD, read_rows, write_csv
from tests.integration.program import Place


@pytest.fixture
def scored(trained: Place) -> str:
    """The predictions of `in.csv`, as CSV."""
    write_csv(trained / "in.csv", [GOOD, GOOD | {"latitude": "34"}])
    trained.good("predict", "in.csv", "expected.csv")
    return (trained / "expected.csv").read_text()


def test_stdin_is_scored_to_stdout(trained: Place, scored: str) -> None:
    content = (trained / "in.csv").read_bytes() + b"1,2,3\n"
    ran = trained.run("predict", "-", "-", stdin=content)
    assert (ran.code, ran.out) == (0, scored)
    reject, *_ = ran.err.splitlines()
    assert json.loads(reject)["row"] == 3
    assert "2 of 3 rows" in ran.err
    assert sorted(path.name for path in trained.folder.glob("[!.]*.csv")) == [
        "expected.csv",
        "in.csv",
    ]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "json", "parquet"])
def test_the_content_of_stdin_shows_its_format(trained: Place, scored: str, form: str) -> None:
    content = (trained / "in.csv").read_bytes()
    table = arrow_csv.read_csv(trained / "in.csv")
    if form == "csv.gz":
        content = gzip.compress(content)
    elif form == "jsonl":
        content = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
    elif form == "json":
        content = json.dumps(table.to_pylist(), indent=1).encode()
    elif form == "parquet":
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink)
        content = sink.getvalue().to_pybytes()
    ran = trained.run("predict", "/dev/stdin", "out.csv", stdin=content)
    assert ran.code == 0, ran
    assert (trained / "out.csv").read_text() == scored


def test_named_pipes_are_read_and_written(trained: Place, scored: str) -> None:
    for name in ("in.fifo", "out.jsonl"):
        os.mkfifo(trained / name)
    content, found = (trained / "in.csv").read_bytes(), list[str]()
    threads = [
        Thread(target=lambda: (trained / "in.fifo").write_bytes(content)),
        Thread(target=lambda: found.append((trained / "out.jsonl").read_text())),
    ]
    for thread in threads:
        thread.start()
    ran = trained.run("predict", "in.fifo", "out.jsonl")
    for thread in threads:
        thread.join()
    assert ran.code == 0, ran
    rows = [json.loads(line) for line in found[0].splitlines()]
    assert rows == read_rows(trained / "expected.csv")


def test_the_report_cannot_be_mixed_with_the_output(trained: Place) -> None:
    for target in ("-", "/dev/stdout"):
        ran = trained.call("predict", "in.csv", target, "--json")
        assert ran.code == 78
        assert "both write to stdout" in ran.err


def test_a_dialect_reaches_every_command_that_reads_a_file(trained: Place, scored: str) -> None:
    rows = [GOOD | {"median_house_value": "452600"}, GOOD | {"latitude": "34"}]
    text = write_csv(trained / "plain.csv", [rows[0], rows[1] | {"median_house_value": "1"}])
    content = text.read_text().replace(",", ";").replace(".", ",")
    (trained / "in.csv").write_bytes(content.encode("utf-16"))
    given = ["--delimiter", ";", "--decimal", ",", "--encoding", "utf-16"]
    ran = trained.good("predict", "in.csv", "out.csv", *given)
    assert (trained / "out.csv").read_text() == scored
    assert "detected" not in ran.err
    (trained / "in.csv").write_text(content)
    ran = trained.good("predict", "in.csv", "out.csv")
    assert "is read with delimiter ';' and decimal ','" in ran.err
    assert (trained / "out.csv").read_text() == scored
    (trained / "in.csv").write_bytes(content.encode("utf-16"))
    assert trained.good("data", "check", "in.csv", *given, "--json").document["rejected"] == 0
    trained.good("evaluate", "--data", "in.csv", *given)
    ran = trained.call("train", "--data", "in.csv", "--estimator", "ridge", *given)
    assert "UTF-16" not in ran.err
    assert "few" in ran.err
