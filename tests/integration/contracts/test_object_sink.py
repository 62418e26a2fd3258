import json
from itertools import count
from pathlib import Path

import pytest

from adapters.arrow.open_by_suffix import open_sink
from adapters.objects.object_sink import ObjectSink
from application.ports import PublishedOutput
from domain.scoring.batch_job import MODEL, PREDICTION, ROW, BatchJob
from tests.integration.contracts.prediction_sink import (
    Damage,
    ReadBack,
    Reopened,
    SharedSinkContract,
    Written,
)
from tests.integration.s3 import BUCKET, Bucket

_NUMBERS = count()


class TestObjectSink(SharedSinkContract):
    @pytest.fixture
    def folder(self) -> str:
        return f"contract-{next(_NUMBERS)}"

    @pytest.fixture
    def reopened(self, s3: Bucket, folder: str, tmp_path: Path) -> Reopened:
        return lambda: ObjectSink.at(f"s3://{BUCKET}/{folder}/out.jsonl", tmp_path, open_sink)

    @pytest.fixture
    def remove_rows(self, s3: Bucket, folder: str) -> Damage:
        return lambda job: s3.remove(f"{folder}/out.jsonl")

    @pytest.fixture
    def remove_rejects(self, s3: Bucket, folder: str) -> Damage:
        return lambda job: s3.remove(f"{folder}/out.jsonl.rejects.jsonl")

    @pytest.fixture
    def read_back(self, s3: Bucket, folder: str, tmp_path: Path) -> ReadBack:
        def read(job: BatchJob, published: PublishedOutput) -> Written:
            names = [".out.jsonl.receipt.json", "out.jsonl"]
            names += ["out.jsonl.rejects.jsonl"] if published.rejects else []
            assert s3.keys(folder) == names, "nothing else is left"
            assert published.output == f"s3://{BUCKET}/{folder}/out.jsonl"
            rows = lines(s3.get(f"{folder}/out.jsonl"))
            rejects = lines(s3.get(f"{folder}/{names[2]}")) if published.rejects else []
            held = [each for each in tmp_path.rglob("*") if each.is_file()]
            assert [each.name for each in held] == [], "disk is free"
            columns = ("id", "note", ROW, PREDICTION, MODEL)
            return Written({name: [row[name] for row in rows] for name in columns}, rejects)

        def lines(content: bytes) -> list[dict[str, object]]:
            return [json.loads(line) for line in content.decode().splitlines()]

        return read
