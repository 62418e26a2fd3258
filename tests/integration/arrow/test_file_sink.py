import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from adapters.arrow.open_by_suffix import open_sink, open_source
from domain.data.feature import Kind
from domain.data.table import Column, Table
from domain.errors import InvalidData, Misconfigured, Unavailable, Violation
from domain.scoring.batch_job import BatchJob, Reject
from tests.integration.contracts.data_source import contents, objects, read_all

JOB = BatchJob("ab" * 32, "orchard/1", "cd" * 32, chunk_rows=3)
REJECT = Reject(3, (Violation(2, "sort", "is not a known category", "one of 'äpple'"),))
SUFFIXES = [".csv", ".parquet", ".jsonl"]


def write(path: Path, tables: Iterable[Table], rejects: tuple[Reject, ...] = ()) -> bytes:
    """Write chunks as one job and return the bytes of the output."""
    sink = open_sink(path)
    count = 0
    for count, table in enumerate(tables, 1):
        sink.write_chunk(JOB, count - 1, table, rejects)
    sink.publish(JOB, count)
    return path.read_bytes()


def table(**columns: Column) -> Table:
    return Table.of(columns)


def left_in(folder: Path) -> list[str]:
    """Return the names of all files except receipts."""
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.endswith(".receipt.json"))


def test_csv_is_plain(tmp_path: Path) -> None:
    content = write(
        tmp_path / "out.csv",
        [
            table(
                id=np.array([7, -(2**63)]),
                note=objects(["ok", None]),
                prediction=np.array([452600.0, 0.1 + 0.2]),
            ),
            table(
                id=np.array([8, 9]),
                note=objects(['a "b", c', "line\nbreak"]),
                prediction=np.array([np.nan, 1e-7]),
            ),
        ],
    )
    assert content.decode() == (
        "id,note,prediction\n"
        "7,ok,452600\n"
        "-9223372036854775808,,0.30000000000000004\n"
        '8,"a ""b"", c",\n'
        '9,"line\nbreak",1e-7\n'
    )


def test_json_lines_are_plain(tmp_path: Path) -> None:
    content = write(
        tmp_path / "out.jsonl",
        [
            table(**{'k"ü': objects(["ok", 'a "b"\\\n\x01é', None])}),
            table(**{'k"ü': np.array([0.1 + 0.2, np.nan, np.inf])}),
            table(**{'k"ü': objects([1, "a", {"b": [True]}])}),
            table(**{'k"ü': np.array([True, False])}),
        ],
    )
    assert content.decode().splitlines() == [
        '{"k\\"ü": "ok"}',
        '{"k\\"ü": "a \\"b\\"\\\\\\n\\u0001é"}',
        '{"k\\"ü": null}',
        '{"k\\"ü": 0.30000000000000004}',
        '{"k\\"ü": null}',
        '{"k\\"ü": "Infinity"}',
        '{"k\\"ü": 1}',
        '{"k\\"ü": "a"}',
        '{"k\\"ü": {"b": [true]}}',
        '{"k\\"ü": true}',
        '{"k\\"ü": false}',
    ]


def test_a_single_column_of_csv_has_no_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert write(path, [table(x=objects(["a", None]))]) == b'x\na\n""\n'
    assert open_source(path).version.rows == 2


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ROWS = st.lists(
    st.tuples(st.floats(allow_nan=False, allow_infinity=False) | st.none(), TEXTS | st.none()),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(rows=ROWS, size=st.integers(1, 5))
def test_written_rows_are_read_back(
    suffix: str, rows: list[tuple[float | None, str | None]], size: int
) -> None:
    numbers, texts = (list(column) for column in zip(*rows, strict=True))
    whole = table(n=np.array(numbers, dtype=float), t=objects(texts))
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"out{suffix}"
        write(path, [whole[start : start + size] for start in range(0, len(rows), size)])
        kinds: Mapping[str, Kind | None] = {"n": Kind.NUMBER, "t": Kind.CATEGORY}
        assert read_all(open_source(path), kinds, 3) == {"n": numbers, "t": texts}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_job_gives_the_same_bytes_also_after_an_interruption(
    tmp_path: Path, suffix: str
) -> None:
    parts = [table(x=np.arange(3.0) + 3 * i, y=objects(["a", None, "ü"])) for i in range(4)]
    once = write(tmp_path / f"once{suffix}", parts)
    interrupted = tmp_path / f"interrupted{suffix}"
    for index in (2, 0):
        open_sink(interrupted).write_chunk(JOB, index, parts[index], [])
    sink = open_sink(interrupted)
    for index in {*range(4)} - {*sink.completed_chunks(JOB)}:
        sink.write_chunk(JOB, index, parts[index], [])
    sink.publish(JOB, 4)
    assert interrupted.read_bytes() == once


def killed_while(statement: str, path: Path) -> None:
    """Write two chunks in another process, which then runs a statement and is killed."""
    script = f"""
import os, signal, sys
from pathlib import Path
import numpy as np
from adapters.arrow.open_by_suffix import open_sink
from domain.data.table import Table
from tests.integration.arrow.test_file_sink import JOB, REJECT

class Deadly:
    def to_mapping(self):
        os.kill(os.getpid(), signal.SIGKILL)

sink = open_sink(Path(sys.argv[1]))
part = Table.of({{"x": np.array([1.0, 2.0])}})
for index in range(2):
    sink.write_chunk(JOB, index, part, [REJECT])
{statement}
"""
    done = subprocess.run([sys.executable, "-c", script, path], cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_job_resumes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    killed_while("sink.write_chunk(JOB, 2, part, [Deadly()])", path)
    assert not path.exists()
    sink = open_sink(path)
    assert sorted(sink.completed_chunks(JOB)) == [0, 1]
    sink.write_chunk(JOB, 2, table(x=np.array([5.0])), [])
    sink.publish(JOB, 3)
    found = read_all(open_source(path), {"x": Kind.NUMBER}, 100)
    assert found == {"x": [1.0, 2.0, 1.0, 2.0, 5.0]}
    assert left_in(tmp_path) == [path.name, f"{path.name}.rejects.jsonl"]


def test_until_it_is_published_the_old_output_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    old = write(path, [table(x=np.array([1.0]))], rejects=(REJECT,))
    other = replace(JOB, model="orchard/2")
    sink = open_sink(path)
    sink.write_chunk(other, 0, table(x=np.array([2.0])), [])
    assert path.read_bytes() == old
    published = sink.publish(other, 1)
    assert path.read_bytes() == b"x\n2\n"
    assert published.rejects is None
    assert left_in(tmp_path) == ["out.csv"], "the rejects of the old output are gone"


def test_rejects_are_one_line_each(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", [table(x=np.array([1.0]))] * 2, rejects=(REJECT,))
    lines = (tmp_path / "out.csv.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [REJECT.to_mapping()] * 2
    assert "äpple" in lines[0]


@pytest.mark.parametrize("damage", ["encoded", "rejects", "json"])
def test_an_incomplete_chunk_does_not_count(tmp_path: Path, damage: str) -> None:
    sink = open_sink(tmp_path / "out.csv")
    for index in range(2):
        sink.write_chunk(JOB, index, table(x=np.array([1.0])), [REJECT])
    (part,) = tmp_path.glob(f".out.csv.*/000001.{damage}")
    part.write_bytes(part.read_bytes()[:-3])
    assert sorted(sink.completed_chunks(JOB)) == [0]
    part.unlink()
    assert sorted(sink.completed_chunks(JOB)) == [0]


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from adapters.arrow.open_by_suffix import open_sink
from domain.errors import Unavailable
from domain.data.table import Table
from tests.integration.arrow.test_file_sink import JOB

usual = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, usual[1]))  # like a disk with no more room
sink = open_sink(Path(sys.argv[1]))
sink.write_chunk(JOB, 0, Table.of({"x": np.arange(3_000.0)}), [])
sink.write_chunk(JOB, 1, Table.of({"x": np.arange(3_000.0)}), [])
for attempt in (
    lambda: sink.write_chunk(JOB, 2, Table.of({"x": np.arange(30_000.0)}), []),
    lambda: sink.publish(JOB, 2),
):
    try:
        attempt()
    except Unavailable as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, usual)
"""
    path = tmp_path / "out.csv"
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.count(f"{path} cannot be written: File too large; ") == 2
    assert not path.exists()
    assert not [*tmp_path.rglob("*.tmp")]
    sink = open_sink(path)
    assert sorted(sink.completed_chunks(JOB)) == [0, 1]
    sink.publish(JOB, 2)
    assert open_source(path).version.rows == 6_000


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sink = open_sink(tmp_path / "file" / "out.csv")
    with pytest.raises(
        Unavailable, match=r"file/out\.csv cannot be written: .*name another output"
    ):
        sink.write_chunk(JOB, 0, table(x=np.array([1.0])), [])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(Unavailable, match=r"folder\.csv is a directory; name a file"):
        open_sink(tmp_path / "folder.csv").completed_chunks(JOB)


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    script = """
import os, sys, tempfile
from pathlib import Path
import numpy as np
from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.open_by_suffix import open_sink
from domain.errors import Unavailable
from domain.data.table import Table
from tests.integration.arrow.test_file_sink import JOB

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    path = folder / "in.csv"
    path.write_text("x\\n1\\n")
    path.chmod(0)
    folder.chmod(0o555)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65_534)  # root may do everything
    part = Table.of({"x": np.array([1.0])})
    sink = open_sink(folder / "out.csv")
    for attempt in (lambda: CsvSource(path).version, lambda: sink.write_chunk(JOB, 0, part, [])):
        try:
            attempt()
        except Unavailable as error:
            print(error)
    os.seteuid(me)
    folder.chmod(0o755)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    reading, writing = done.stdout.splitlines()
    assert reading.endswith("in.csv cannot be read: Permission denied")
    assert "out.csv cannot be written: Permission denied; correct that" in writing


def test_a_job_without_chunks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"out\.csv: there are no rows to write"):
        open_sink(tmp_path / "out.csv").publish(JOB, 0)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["out.txt", "out", "out.parquet.gz", ".csv"])
def test_only_known_formats_are_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=r"one of \.csv, \.parquet, \.jsonl, .* to be written"):
        open_sink(tmp_path / name)
    with pytest.raises(Misconfigured, match=r"one of \.parquet, \.csv, .*\.jsonl, .* to be read"):
        open_source(tmp_path / name)


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    write(tmp_path / "OUT.CSV", [table(x=np.array([1.0]))])
    assert open_source(tmp_path / "OUT.CSV").columns == ("x",)


def test_a_password_in_the_address_of_a_source_is_not_shown(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", [table(x=np.array([1.0]))])
    source = open_source(tmp_path / "out.csv", "https://me:secret@host:81/d/out.csv")
    assert source.version.uri == "https://host:81/d/out.csv"


KEPT = {
    "when": pa.array([datetime(1990, 4, 1, 12, 30, tzinfo=UTC), None]),
    "stamp": pa.array([datetime(1990, 4, 1, 12, 30), None]),  # noqa: DTZ001 - no zone meant
    "day": pa.array([date(1990, 4, 1), None]),
    "hour": pa.array([time(12, 30, 15), None]),
    "price": pa.array([Decimal("1.50"), None]),
    "code": pa.array([2**60, None]),
    "small": pa.array([0.1, None], pa.float32()),
    "kind": pa.array(["a", None]).dictionary_encode(),
    "list": pa.array([[1, 2], None]),
}


def copied(folder: Path, suffix: str) -> Path:
    """Copy a Parquet file of many types, one row per chunk."""
    parquet.write_table(pa.table(KEPT), folder / "in.parquet")
    source = open_source(folder / "in.parquet")
    path = folder / f"out{suffix}"
    write(path, (source.read(chunk, dict.fromkeys(KEPT)) for chunk in source.plan(1)))
    return path


def test_kept_columns_of_many_types_are_unchanged_in_parquet(tmp_path: Path) -> None:
    found = parquet.read_table(copied(tmp_path, ".parquet"))
    assert found.to_pydict() == pa.table(KEPT).to_pydict()
    unchanged = {**{name: values.type for name, values in KEPT.items()}, "kind": pa.string()}
    assert {name: found.schema.field(name).type for name in unchanged} == unchanged


def test_kept_columns_of_many_types_are_readable_as_text(tmp_path: Path) -> None:
    expected = {
        "when": "1990-04-01T12:30:00Z",
        "stamp": "1990-04-01T12:30:00",
        "day": "1990-04-01",
        "hour": "12:30:15",
        "price": "1.50",
        "code": str(2**60),
        "small": "0.1",
        "kind": "a",
        "list": "[1, 2]",
    }
    source = open_source(copied(tmp_path, ".csv"))
    found = read_all(source, dict.fromkeys(KEPT), 10)
    assert found == {name: [text, None] for name, text in expected.items()}
    first, second = map(json.loads, copied(tmp_path, ".jsonl").read_text().splitlines())
    assert first == {**expected, "code": 2**60, "small": 0.1, "list": [1, 2]}
    assert second == dict.fromkeys(KEPT)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_bytes_are_hexadecimal_in_text(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"out{suffix}", [table(x=objects([b"\x00\xff", None]))])
    found = read_all(open_source(tmp_path / f"out{suffix}"), {"x": None}, 10)
    assert found == {"x": ["00ff", None]}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([np.array([1, 2]), np.array([0.5])], [1.0, 2.0, 0.5]),
        ([np.array([1, 2]), objects([None]), objects([2**60, None])], [1, 2, None, 2**60, None]),
        ([objects([]), objects(["a"])], ["a"]),
        ([np.array([1.5]), objects(["a"])], ["1.5", "a"]),
        ([objects([1, "a", None])], ["1", "a", None]),
        (
            [objects([Decimal("1.5")]), objects([Decimal("22.25")])],
            [Decimal("1.50"), Decimal("22.25")],
        ),
    ],
)
def test_chunks_of_different_types_become_one_parquet_column(
    tmp_path: Path, parts: list[Any], expected: list[Any]
) -> None:
    write(tmp_path / "out.parquet", [table(x=part) for part in parts])
    assert parquet.read_table(tmp_path / "out.parquet")["x"].to_pylist() == expected


def test_many_small_chunks_become_few_row_groups(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [table(x=np.array([float(i)])) for i in range(40)])
    metadata = parquet.read_metadata(tmp_path / "out.parquet")
    assert (metadata.num_rows, metadata.num_row_groups) == (40, 1)


def test_large_chunks_keep_row_groups_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [table(x=np.zeros(70_000))] * 5)
    metadata = parquet.read_metadata(tmp_path / "out.parquet")
    sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
    assert sizes == [140_000, 140_000, 70_000]


def test_the_source_of_a_table_does_not_matter(tmp_path: Path) -> None:
    """Numbers are the same after CSV, Parquet and JSON Lines."""
    values = [0.1 + 0.2, 1e300, -5e-324, 1.0, None]
    path = tmp_path / "first.csv"
    write(path, [table(x=np.array(values, dtype=float), y=objects(["a"] * 5))])
    for suffix in (*SUFFIXES, *reversed(SUFFIXES)):
        source = open_source(path)
        (chunk,) = source.plan(10)
        path = tmp_path / f"next{suffix}"
        read = source.read(chunk, {"x": Kind.NUMBER, "y": Kind.CATEGORY})
        assert contents(read) == {"x": values, "y": ["a"] * 5}
        write(path, [read])


def dictionaries(path: Path, *tables: Table) -> dict[str, bool]:
    """Check that a Parquet file reads back; return which columns have a dictionary."""
    write(path, tables)
    whole = Table.concat(tables)
    kinds: dict[str, Kind | None] = dict.fromkeys(whole.columns)
    assert read_all(open_source(path), kinds, 100) == contents(whole)
    group = parquet.ParquetFile(path).metadata.row_group(0)
    chunks = [group.column(place) for place in range(group.num_columns)]
    return {chunk.path_in_schema: chunk.has_dictionary_page for chunk in chunks}


def test_parquet_has_a_dictionary_where_values_repeat(tmp_path: Path) -> None:
    part = table(
        n=np.arange(8.0),
        twice=np.arange(8) // 2,
        t=objects(["a", None] * 4),
        u=objects([*"abcdefgh"]),
    )
    expected = {"n": False, "twice": True, "t": True, "u": False}
    assert dictionaries(tmp_path / "a.parquet", part[:0], part, part) == expected


def test_parquet_without_any_value_that_repeats(tmp_path: Path) -> None:
    assert dictionaries(tmp_path / "a.parquet", table(n=np.arange(8.0))) == {"n": False}


def test_parquet_of_nested_values_has_dictionaries(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, [table(n=np.arange(2), v=objects([[1], [2, 3]]))])
    assert parquet.read_table(path).to_pylist() == [{"n": 0, "v": [1]}, {"n": 1, "v": [2, 3]}]
    assert parquet.ParquetFile(path).metadata.row_group(0).column(1).has_dictionary_page
