"""Folders and patterns: which files count, and errors for files that differ."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adapters.arrow.open_by_suffix import open_sink, open_source
from adapters.arrow.reading.folder_source import FolderSource
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType
from domain.errors import InvalidData, Misconfigured, NotFound, UnreadableData
from domain.scoring.batch_job import BatchJob
from tests.integration.contracts.data_source import cells, objects, read_all


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "in", b_csv="x\n3\n", a_csv="x\n1\n2\n"))
    chunks = list(source.plan(10))
    assert [(chunk.file, chunk.before_file, chunk.start) for chunk in chunks] == [
        ("a.csv", 0, 0),
        ("b.csv", 2, 2),
    ]
    assert [cells(source.read(chunk, {"x": None}).column("x")) for chunk in chunks] == [
        ["1", "2"],
        ["3"],
    ]


def test_columns_may_be_in_another_order(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "in", a_csv="x,y\n1,2\n", b_csv="y,x\n4,3\n"))
    assert source.columns == ("x", "y")
    found = [cells(source.read(chunk, {"x": None}).column("x")) for chunk in source.plan(10)]
    assert found == [["1"], ["3"]]


def test_a_file_with_other_columns_is_named(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "in", a_csv="x,y\n1,2\n", b_csv="x,z\n1,2\n"))
    with pytest.raises(InvalidData, match=r"'b\.csv' has other columns.*missing \['y'\].*\['z'\]"):
        _ = source.version


@pytest.mark.parametrize(
    ("suffix", "row", "none"),
    [("csv", "x\n1\n", ("", "\ufeff", "\n", "x\n")), ("jsonl", '{"x": 1}\n', ("", " \n"))],
)
def test_files_without_rows_do_not_fail_the_others(
    tmp_path: Path, suffix: str, row: str, none: tuple[str, ...]
) -> None:
    folder = write(tmp_path / "in", **{f"b_{suffix}": row})
    for number, content in enumerate(none):
        write(folder, **{f"a{number}_{suffix}": content, f"c{number}_{suffix}": content})
    source = open_source(folder)
    assert (source.columns, source.version.rows) == (("x",), 1)
    (chunk,) = source.plan(10)
    copy, chunk = pickle.loads(pickle.dumps((source, chunk)))
    assert (chunk.file, cells(copy.read(chunk, {"x": Kind.NUMBER}).column("x"))) == (
        f"b.{suffix}",
        [1.0],
    )
    (folder / f"b.{suffix}").write_text("")
    for path in folder.glob("*"):
        path.write_text("")
    with pytest.raises(UnreadableData, match="all files are empty"):
        _ = open_source(folder).version


def test_an_index_that_pandas_adds_to_some_files_is_not_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.loc[[0, 1, 3]].to_parquet(tmp_path / "b.parquet")
    frame[frame["x"] > 9].to_parquet(tmp_path / "c.parquet")
    source = open_source(tmp_path)
    assert (source.columns, source.version.rows) == (("x",), 7)
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "c.parquet").unlink()
    assert open_source(tmp_path).columns == ("x", "__index_level_0__")


def test_the_names_of_files_are_part_of_the_version(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a_csv="x\n1\n", b_csv="x\n2\n")
    before = open_source(folder).version
    assert open_source(tmp_path / "in" / "*.csv").version.sha256 == before.sha256
    (folder / "b.csv").rename(folder / "c.csv")
    assert open_source(folder).version.sha256 != before.sha256


def test_files_of_several_formats_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a_csv="x\n1\n", b_jsonl='{"x": 1}\n')
    with pytest.raises(Misconfigured, match=r"several formats, such as 'a\.csv' and 'b\.jsonl'"):
        open_source(folder)
    assert open_source(folder / "*.csv").version.rows == 1


def test_a_folder_in_a_folder_is_refused(tmp_path: Path) -> None:
    write(write(tmp_path / "in", a_csv="x\n1\n") / "more", b_csv="x\n1\n2\n")
    with pytest.raises(Misconfigured, match="the folder 'more'"):
        open_source(tmp_path / "in")
    assert open_source(tmp_path / "in" / "**" / "*.csv").version.rows == 3


@pytest.mark.parametrize("name", ["in", "in/*.csv", "absent/*.csv"])
def test_a_folder_without_files_is_not_found(tmp_path: Path, name: str) -> None:
    write(tmp_path / "in")
    with pytest.raises(NotFound, match="no files"):
        open_source(tmp_path / name)


def test_a_name_with_brackets_may_be_a_file(tmp_path: Path) -> None:
    write(tmp_path / "in", **{"a[1]_csv": "x\n1\n"})
    assert not isinstance(open_source(tmp_path / "in" / "a[1].csv"), FolderSource)


VALUES = ("a", None, "007", "x/y=%", "Zürich", "")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl.gz"])
def test_a_partitioned_output_is_read_with_the_columns_of_its_folders(
    tmp_path: Path, suffix: str
) -> None:
    job = BatchJob("ab" * 32, "orchard/1", "cd" * 32, chunk_rows=3, keep=("b", "a"))
    kept = [value or None for value in VALUES]
    columns = {"b": np.arange(6) % 2, "a": objects([*kept]), "x": np.arange(6.0)}
    sink = open_sink(tmp_path / "out", suffix, ["b", "a"])
    sink.write_chunk(job, 0, Table.of(columns), [])
    sink.publish(job, 1)
    for place in (tmp_path / "out", tmp_path / "out" / "**" / f"*{suffix}"):
        source = open_source(place)
        assert sorted(source.columns) == ["a", "b", "x"]
        found = read_all(source, {"x": Kind.NUMBER, "b": Kind.INTEGER, "a": None}, 2)
        rows = sorted(zip(*found.values(), strict=True))
        assert rows == [(float(i), i % 2, kept[i]) for i in range(6)]
        assert source.value_types(["a", "x"])["a"] is ValueType.TEXT
    assert read_all(open_source(tmp_path / "out"), {"a": Kind.CATEGORY}, 9)["a"].count(None) == 2
    renamed = tmp_path / "out" / "b=0" / "a=a"
    version = open_source(tmp_path / "out").version
    renamed.rename(renamed.with_name("a=b"))
    assert open_source(tmp_path / "out").version.sha256 != version.sha256


def test_files_of_a_partitioned_folder_have_the_same_columns_in_their_folders(
    tmp_path: Path,
) -> None:
    for name in ("a=1/x.csv", "b=1/x.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("c\n1\n")
    with pytest.raises(InvalidData, match=r"'b=1/x\.csv' has other columns .*\['a'\].*\['b'\]"):
        _ = open_source(tmp_path).columns
    (tmp_path / "b=1" / "more").mkdir()
    with pytest.raises(Misconfigured, match="contains the folder 'more'"):
        open_source(tmp_path)


def test_a_column_in_a_file_and_in_the_name_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a=1").mkdir()
    (tmp_path / "a=1" / "x.csv").write_text("a,b\n1,2\n")
    source = open_source(tmp_path)
    (chunk,) = source.plan(9)
    with pytest.raises(InvalidData, match="several columns 'a'"):
        source.read(chunk, {"a": None})
