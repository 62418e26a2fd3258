import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters.arrow.open_by_suffix import open_sink
from application.ports import PublishedOutput
from domain.errors import Conflict
from domain.scoring.batch_job import BatchJob
from tests.integration.contracts.prediction_sink import (
    JOB,
    OTHER_JOB,
    Damage,
    ReadBack,
    Reopened,
    SharedSinkContract,
    Written,
    part,
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "scores" / "output"


class TestFolderSink(SharedSinkContract):
    @pytest.fixture
    def reopened(self, output: Path) -> Reopened:
        return lambda: open_sink(output, ".parquet")

    @pytest.fixture
    def remove_rows(self, output: Path) -> Damage:
        return lambda job: shutil.rmtree(output)

    @pytest.fixture
    def remove_rejects(self, output: Path) -> Damage:
        return lambda job: output.with_name("output.rejects.jsonl").unlink()

    @pytest.fixture
    def read_back(self, output: Path) -> ReadBack:
        rejects = output.with_name("output.rejects.jsonl")

        def read(job: BatchJob, published: PublishedOutput) -> Written:
            assert published.rejects == (str(rejects) if rejects.exists() else None)
            receipt = output.with_name(".output.receipt.json")
            expected = [receipt, output, rejects] if published.rejects else [receipt, output]
            assert sorted(output.parent.iterdir()) == expected, "nothing else is left"
            files = sorted(output.iterdir())
            assert [file.name for file in files] == [
                f"part-{place:05d}.parquet" for place in range(len(files))
            ]
            assert len({str(parquet.read_schema(file)) for file in files}) == 1
            lines = rejects.read_text(encoding="utf-8").splitlines() if published.rejects else []
            whole = parquet.read_table(files).to_pydict()
            return Written(whole, [json.loads(line) for line in lines])

        return read

    def test_the_folder_of_another_job_is_replaced_as_a_whole(
        self, reopened: Reopened, output: Path
    ) -> None:
        for job, chunks in ((JOB, 3), (OTHER_JOB, 1)):
            for index in range(chunks):
                reopened().write_chunk(job, index, part(3 * index), [])
            reopened().publish(job, chunks)
            assert len([*output.iterdir()]) == chunks

    def test_a_folder_with_anything_else_in_it_is_not_replaced(
        self, reopened: Reopened, output: Path
    ) -> None:
        output.mkdir(parents=True)
        (output / "thesis.tex").write_text("years of work")
        reopened().write_chunk(JOB, 0, part(0), [])
        with pytest.raises(Conflict, match=r"'thesis\.tex'"):
            reopened().completed_chunks(JOB)
        with pytest.raises(Conflict, match=r"'thesis\.tex'"):
            reopened().publish(JOB, 1)
        assert (output / "thesis.tex").read_text() == "years of work"


def test_the_files_may_have_another_format(output: Path) -> None:
    sink = open_sink(output, ".csv.zst")
    sink.write_chunk(JOB, 0, part(0), [])
    sink.write_chunk(JOB, 1, part(3), [])
    sink.publish(JOB, 2)
    files = [output / f"part-{place:05d}.csv.zst" for place in (0, 1)]
    assert sorted(output.iterdir()) == files
    with pa.input_stream(files[1], compression="zstd") as stream:
        assert stream.read().startswith(b"id,note,row,prediction,model\n3,")
