"""Digests of a file that is read in blocks, computed on a background thread."""

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters.arrow.open_by_suffix import open_source
from adapters.arrow.reading.watched_file import Digests


@pytest.mark.parametrize("size", [0, 1, 3 << 20, (3 << 20) + 1])
@pytest.mark.parametrize("block", [1 << 10, 1 << 20])
def test_digests_are_those_of_all_bytes_in_order(size: int, block: int) -> None:
    content = bytes(hashlib.shake_256(b"rows").digest(size))
    digests, pieces = Digests(BytesIO(content)), []
    while piece := digests.read(block):
        pieces.append(piece)
    assert b"".join(pieces) == content
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert digests.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_digests_of_a_whole_stream() -> None:
    content = bytes(9 << 20)
    digests = Digests(BytesIO(content))
    digests.read_all()
    assert digests.sha256 == hashlib.sha256(content).hexdigest()


def test_md5_is_optional() -> None:
    digests = Digests(BytesIO(b"rows"), with_md5=False)
    digests.read_all()
    assert digests.sha256 == hashlib.sha256(b"rows").hexdigest()
    assert digests.md5 is None


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_without_md5_the_version_of_a_file_is_otherwise_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".parquet":
        parquet.write_table(pa.table({"x": [1, 2]}), path)
    else:
        path.write_text('{"x": 1}\n{"x": 2}\n' if path.suffix == ".jsonl" else "x\n1\n2\n")
    whole, without = open_source(path).version, open_source(path, with_md5=False).version
    assert whole.md5 == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert without == replace(whole, md5=None)
