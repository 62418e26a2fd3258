"""Compressed files: content, errors for damaged files, removal of temporary files."""

import gzip
import pickle
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from adapters.arrow.open_by_suffix import open_source
from adapters.arrow.reading.csv_source import CsvSource
from domain.data.table import plain
from domain.errors import ChecksumMismatch, Misconfigured, Unavailable, UnreadableData

ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (row, row * row) for row in range(60_000))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def packed(path: Path, content: bytes = ROWS) -> Path:
    with pa.output_stream(path, compression="gzip" if path.suffix == ".gz" else "zstd") as stream:
        stream.write(content)
    return path


@pytest.mark.parametrize("name", ["rows.csv.gz", "ROWS.CSV.GZ", "rows.2024.csv.zst"])
def test_a_compressed_file_is_the_dataset_in_it(tmp_path: Path, name: str) -> None:
    plain = tmp_path / "rows.csv"
    plain.write_bytes(ROWS)
    path = tmp_path / name
    packed(path) if path.suffix != ".GZ" else path.write_bytes(gzip.compress(ROWS))
    found, expected = open_source(path), open_source(plain)
    assert found.version.identity == expected.version.identity
    assert list(found.plan(1_000)) == list(expected.plan(1_000))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kept", [30, 100_000])
def test_a_truncated_file_is_refused_with_the_place(
    tmp_path: Path, temporary: Path, suffix: str, kept: int
) -> None:
    path = packed(tmp_path / f"rows.csv{suffix}")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableData, match=r"rows\.csv.*truncated or damaged.*first [\d,]+:"):
        _ = open_source(path).version
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_is_not_compressed_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.csv{suffix}"
    path.write_bytes(ROWS)
    with pytest.raises(UnreadableData, match="is not compressed"):
        _ = open_source(path).columns


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = packed(tmp_path / "rows.csv.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum of the content
    path.write_bytes(content)
    with pytest.raises(UnreadableData, match="CRC"):
        _ = open_source(path).version


def test_the_temporary_file_is_removed_with_its_source(tmp_path: Path, temporary: Path) -> None:
    source = CsvSource(packed(tmp_path / "rows.csv.gz"))
    assert source.version.rows == 60_000
    assert list(source.plan(100)) == list(source.plan(100))
    assert len([*temporary.iterdir()]) == 1
    del source
    assert [*temporary.iterdir()] == []


def test_a_copy_reads_the_temporary_file_or_makes_one(tmp_path: Path, temporary: Path) -> None:
    source = CsvSource(packed(tmp_path / "rows.csv.gz"))
    chunk = next(source.plan(3))
    sent = pickle.dumps(source)
    assert plain(pickle.loads(sent).read(chunk, {"b": None}).column("b")).tolist() == [
        "0",
        "1",
        "4",
    ]
    assert len([*temporary.iterdir()]) == 1
    del source  # as if the copy were on another machine
    copy = pickle.loads(sent)
    assert plain(copy.read(chunk, {"b": None}).column("b")).tolist() == ["0", "1", "4"]
    assert len([*temporary.iterdir()]) == 1


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "rows.csv.gz")
    source = CsvSource(path)
    assert source.version.rows == 60_000
    packed(path, ROWS[:-4])
    with pytest.raises(ChecksumMismatch, match=r"rows\.csv\.gz was changed"):
        list(source.plan(100))


def test_a_missing_temporary_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(Unavailable, match=r"copied to .*absent.*TMPDIR"):
        _ = CsvSource(packed(tmp_path / "rows.csv.gz")).version


@pytest.mark.parametrize("name", ["rows.parquet.gz", "rows.gz", "rows.json5.zst"])
def test_other_compressions_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=r"\.csv\.gz"):
        open_source(tmp_path / name)
