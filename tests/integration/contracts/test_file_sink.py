import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters.arrow.open_by_suffix import open_sink
from application.ports import PublishedOutput
from domain.scoring.batch_job import MODEL, PREDICTION, ROW, BatchJob
from tests.integration.contracts.prediction_sink import (
    Damage,
    ReadBack,
    Reopened,
    SharedSinkContract,
    Written,
)

_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "id": int,
    "note": lambda text: text or None,
    ROW: int,
    PREDICTION: float,
    MODEL: str,
}


def _read_csv(path: Path) -> dict[str, list[Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    return {name: [_FROM_TEXT[name](cell) for cell in cells] for name, cells in columns.items()}


def _read_json_lines(path: Path) -> dict[str, list[Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    return columns


def _unpacked(path: Path) -> Path:
    """Decompress a file into another folder and return the copy."""
    plain = path.parent.parent / path.stem
    with pa.input_stream(path, compression="gzip" if path.suffix == ".gz" else "zstd") as stream:
        plain.write_bytes(stream.read())
    return plain


_READERS: dict[str, Callable[[Path], dict[str, list[Any]]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
    ".csv.gz": lambda path: _read_csv(_unpacked(path)),
    ".jsonl.gz": lambda path: _read_json_lines(_unpacked(path)),
    ".csv.zst": lambda path: _read_csv(_unpacked(path)),
}


@pytest.mark.parametrize("suffix", _READERS)
class TestFileSink(SharedSinkContract):
    @pytest.fixture
    def reopened(self, tmp_path: Path, suffix: str) -> Reopened:
        return lambda: open_sink(tmp_path / "scores" / f"output{suffix}")

    @pytest.fixture
    def remove_rows(self, tmp_path: Path, suffix: str) -> Damage:
        return lambda job: (tmp_path / "scores" / f"output{suffix}").unlink()

    @pytest.fixture
    def remove_rejects(self, tmp_path: Path, suffix: str) -> Damage:
        return lambda job: (tmp_path / "scores" / f"output{suffix}.rejects.jsonl").unlink()

    @pytest.fixture
    def read_back(self, tmp_path: Path, suffix: str) -> ReadBack:
        output = tmp_path / "scores" / f"output{suffix}"
        rejects = tmp_path / "scores" / f"output{suffix}.rejects.jsonl"

        def read(job: BatchJob, published: PublishedOutput) -> Written:
            assert published.output == str(output)
            assert published.rejects == (str(rejects) if rejects.exists() else None)
            receipt = output.with_name(f".{output.name}.receipt.json")
            expected = [receipt, rejects, output] if published.rejects else [receipt, output]
            assert sorted(output.parent.iterdir()) == sorted(expected), "nothing else is left"
            lines = rejects.read_text(encoding="utf-8").splitlines() if published.rejects else []
            return Written(_READERS[suffix](output), [json.loads(line) for line in lines])

        return read
