import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import dataset

from adapters.arrow.open_by_suffix import open_sink
from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.output_formats import FORMATS
from adapters.arrow.writing.partitions import PartitionedLayout
from application.ports import PublishedOutput
from domain.data.table import Table, plain
from domain.errors import InvalidData, Misconfigured
from domain.scoring.batch_job import MODEL, PREDICTION, ROW, BatchJob
from tests.integration.contracts.prediction_sink import (
    JOB,
    NOTES,
    Damage,
    ReadBack,
    Reopened,
    SharedSinkContract,
    Written,
    expected,
    part,
)

_NOTE = dataset.partitioning(pa.schema([("note", pa.string())]), flavor="hive")
_TYPES = {
    "id": pa.int64(),
    ROW: pa.int64(),
    PREDICTION: pa.float64(),
    MODEL: pa.string(),
    "note": pa.string(),
}
_FORMATS: Mapping[str, str] = {".csv": "csv", ".jsonl": "json"}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "scores" / "output"


def rows_in(output: Path, file_format: str = "parquet") -> dict[str, list[Any]]:
    """Return the columns as pyarrow reads them, ordered by id."""
    types = {"schema": pa.schema(_TYPES), "format": file_format}
    found = dataset.dataset(output, partitioning=_NOTE, **types)
    columns: dict[str, list[Any]] = (
        found.to_table(columns=[*part(0).columns]).sort_by("id").to_pydict()
    )
    return columns


class TestPartitionedSink(SharedSinkContract):
    @pytest.fixture
    def reopened(self, output: Path) -> Reopened:
        return lambda: open_sink(output, ".parquet", ["note"])

    @pytest.fixture
    def remove_rows(self, output: Path) -> Damage:
        return lambda job: shutil.rmtree(next(output.iterdir()))

    @pytest.fixture
    def remove_rejects(self, output: Path) -> Damage:
        return lambda job: output.with_name("output.rejects.jsonl").unlink()

    @pytest.fixture
    def read_back(self, output: Path) -> ReadBack:
        rejects = output.with_name("output.rejects.jsonl")

        def read(job: BatchJob, published: PublishedOutput) -> Written:
            assert published.rejects == (str(rejects) if rejects.exists() else None)
            receipt = output.with_name(".output.receipt.json")
            left = [receipt, output, rejects] if published.rejects else [receipt, output]
            assert sorted(output.parent.iterdir()) == left, "nothing else is left"
            lines = rejects.read_text(encoding="utf-8").splitlines() if published.rejects else []
            return Written(rows_in(output), [json.loads(line) for line in lines])

        return read


def names(output: Path) -> list[str]:
    files = (path for path in output.rglob("*") if path.is_file())
    return sorted(path.relative_to(output).as_posix() for path in files)


def partitioned(
    output: Path, by: Sequence[str], suffix: str = ".parquet", rows_per_file: int = 1_000_000
) -> FileSink:
    return FileSink(PartitionedLayout(output, tuple(by), FORMATS[suffix], rows_per_file))


def publish(sink: FileSink, *tables: Table) -> None:
    with sink.locked(JOB):
        for index, table in enumerate(tables):
            sink.write_chunk(JOB, index, table, [])
        sink.publish(JOB, len(tables))


def test_names_of_folders_are_those_of_hive(output: Path) -> None:
    publish(partitioned(output, ["note"], ".csv"), part(0, len(NOTES)))
    assert names(output) == [
        "note=%5C%20back/part-00000.csv",
        "note=Z%C3%BCrich/part-00000.csv",
        "note=__HIVE_DEFAULT_PARTITION__/part-00000.csv",
        "note=a%20%22quoted%22%20word/part-00000.csv",
        "note=line%0Abreak/part-00000.csv",
        "note=plain/part-00000.csv",
        "note=with%2C%20comma/part-00000.csv",
    ]
    first = (output / "note=plain" / "part-00000.csv").read_text()
    assert first == "id,row,prediction,model\n0,1,452600,orchard/1\n"


@pytest.mark.parametrize("suffix", _FORMATS)
def test_text_is_read_back_too(output: Path, suffix: str) -> None:
    publish(partitioned(output, ["note"], suffix), part(0), part(3), part(6))
    assert rows_in(output, _FORMATS[suffix]) == expected(part(0), part(3), part(6)).rows


def test_a_file_takes_the_rows_of_several_chunks_in_their_order(output: Path) -> None:
    def chunk(first: int) -> Table:
        sign = np.array(["even", "odd"], dtype=object)[np.arange(first, first + 6) % 2]
        return Table.of({**part(first, 6).columns, "note": sign})

    publish(partitioned(output, ["note"], rows_per_file=7), *map(chunk, (0, 6, 12, 18)))
    files = [f"note={note}/part-{n:05d}.parquet" for note in ("even", "odd") for n in (0, 1)]
    assert names(output) == files
    ids = [dataset.dataset(output / name).to_table()["id"].to_pylist() for name in files]
    assert ids == [[*range(start, start + 12, 2)] for start in (0, 12, 1, 13)]


def test_several_columns_are_folders_in_folders(output: Path) -> None:
    publish(partitioned(output, ["id", "note"]), part(3), part(6))
    found = dataset.dataset(output, partitioning="hive").to_table().sort_by("id").to_pydict()
    assert found["id"] == [3, 4, 5, 6, 7, 8]
    assert found["note"] == [NOTES[i % len(NOTES)] for i in range(3, 9)]
    answers = Table.concat([part(3), part(6)]).column(PREDICTION)
    assert found[PREDICTION] == plain(answers).tolist()


@pytest.mark.parametrize("column", ["_id", ".id", "a b=/%", "größe"])
def test_any_name_of_a_column_is_read_back(output: Path, column: str) -> None:
    job = BatchJob("ab" * 32, "orchard/1", "cd" * 32, chunk_rows=3, keep=(column,))
    sink = partitioned(output, [column])
    sink.write_chunk(job, 0, Table.of({column: np.arange(3), PREDICTION: np.ones(3)}), [])
    sink.publish(job, 1)
    found = dataset.dataset(output, partitioning="hive").to_table().to_pydict()
    assert found == {PREDICTION: [1.0] * 3, column: [0, 1, 2]}


def test_files_of_one_output_have_the_same_types(output: Path) -> None:
    def chunk(sizes: Sequence[int | float | None]) -> Table:
        return Table.of({**part(0, 2).columns, "id": np.array(sizes, dtype=object)})

    publish(partitioned(output, ["note"]), chunk([1, None]), chunk([2.5, 3]))
    types = {str(dataset.dataset(output / name).schema) for name in names(output)}
    assert len(types) == 1


def test_too_many_values_are_refused_with_the_limit(output: Path) -> None:
    sink = partitioned(output, ["id"])
    sink.write_chunk(JOB, 0, part(0, 1_000), [])
    with pytest.raises(InvalidData, match=r"by 'id'.* 2,000 folders or more; allowed: 1,024"):
        sink.write_chunk(JOB, 1, part(1_000, 1_000), [])
    partitioned(output, ["id"]).write_chunk(JOB, 1, part(1_000, 1_000), [])
    with pytest.raises(InvalidData, match="allowed: 1,024"):
        sink.publish(JOB, 2)
    assert not output.exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [("__HIVE_DEFAULT_PARTITION__", "means missing"), ("ü" * 50, "has 305 bytes.* 255")],
)
def test_values_that_cannot_be_folder_names_are_refused(
    output: Path, value: str, problem: str
) -> None:
    table = Table.of({**part(0, 1).columns, "note": np.array([value], dtype=object)})
    with pytest.raises(InvalidData, match=f"'note'.*{problem}"):
        partitioned(output, ["note"]).write_chunk(JOB, 0, table, [])


def test_only_columns_that_are_kept_can_name_folders(output: Path) -> None:
    sink = partitioned(output, [PREDICTION])
    with (
        pytest.raises(Misconfigured, match=r"by 'prediction'; allowed: .*kept \(id, note\)"),
        sink.locked(JOB),
    ):
        pytest.fail("it was locked")
    with pytest.raises(Misconfigured, match="twice"):
        partitioned(output, ["id", "id"])


def test_another_layout_is_another_output_of_the_same_job(output: Path) -> None:
    sinks = [partitioned(output, ["note"]), partitioned(output, ["note"], ".csv")]
    publish(sinks[0], part(0))
    assert sinks[0].finished(JOB) is not None
    assert sinks[1].finished(JOB) is None
    sinks[0].write_chunk(JOB, 0, part(0), [])
    assert dict(sinks[1].completed_chunks(JOB)) == {}
    publish(sinks[1], part(0))
    assert {Path(name).suffix for name in names(output)} == {".csv"}
    assert sinks[0].finished(JOB) is None
