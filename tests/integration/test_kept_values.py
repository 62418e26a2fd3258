"""Values of kept columns come out of every output as they went in, for any size of the chunks."""

import csv
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from adapters.arrow.open_by_suffix import open_sink, open_source
from adapters.formats.manifest_file import read_manifest
from adapters.sql.sql_sink import SqlSink
from adapters.sql.sql_source import SqlSource
from application.model.load_model import LoadModel
from application.ports import DataSource, PredictionSink
from application.scoring.predict_batch import BatchOptions, PredictBatch
from domain.errors import InvalidData
from domain.model.reference import ModelRef
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import MemoryRuntime, MemoryStore
from tests.support.samples import CREATED, NAME, sample_bundle

ROW = {"height": 4.5, "age": 9, "sort": "pear", "watered": True}
OUTPUTS = ("csv", "jsonl", "parquet", "sqlite")
JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(2**53 - 2, 2**53 + 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4),
    st.lists(st.integers(0, 3) | st.booleans(), max_size=2),
)
COLUMNS = {
    "integers": pa.array([2**53 + 1, None, -(2**63), 2**63 - 1]),
    "unsigned": pa.array([2**64 - 1, 1, None, 0], pa.uint64()),
    "decimals": pa.array([Decimal("0.10"), Decimal("-99999999999999999999.99"), None, Decimal(1)]),
    "flags": pa.array([None, True, False, True]),
    "texts": pa.array([None, "007", "true", 'a, "b"']),
    "numbers": pa.array([0.1 + 0.2, None, 1e300, -1.0]),
    "stamps": pa.array([datetime(9999, 12, 31, 23, 59, 59), None, datetime(1, 1, 1), None]),  # noqa: DTZ001
    "zoned": pa.array([None, datetime(2024, 10, 27, 2, 30, tzinfo=UTC)] * 2),
    "days": pa.array([date(2024, 2, 29), None, date(1, 1, 1), None]),
    "hours": pa.array([time(1, 2, 3), None, time(23, 59), None]),
    "bytes": pa.array([b"\x00\xff", None, b"", b"a"]),
    "lists": pa.array([[1, None], [], None, [2]]),
    "objects": pa.array([{"a": Decimal("1.50")}, None, {"a": None}, None]),
}
IN_TEXT: Mapping[str, list[str | None]] = {
    "integers": ["9007199254740993", None, "-9223372036854775808", "9223372036854775807"],
    "unsigned": ["18446744073709551615", "1", None, "0"],
    "decimals": ["0.10", "-99999999999999999999.99", None, "1.00"],
    "flags": [None, "true", "false", "true"],
    "texts": [None, "007", "true", 'a, "b"'],
    "numbers": ["0.30000000000000004", None, "1e+300", "-1"],
    "stamps": ["9999-12-31T23:59:59", None, "0001-01-01T00:00:00", None],
    "zoned": [None, "2024-10-27T02:30:00Z"] * 2,
    "days": ["2024-02-29", None, "0001-01-01", None],
    "hours": ["01:02:03", None, "23:59:00", None],
    "bytes": ["00ff", None, "", "61"],
    "lists": ["[1, null]", "[]", None, "[2]"],
    "objects": ['{"a": "1.50"}', None, '{"a": null}', None],
}


@pytest.fixture(scope="module")
def predict() -> PredictBatch:
    store = MemoryStore()
    store.save(NAME, sample_bundle(), CREATED, {})
    return PredictBatch(LoadModel(store, MemoryRuntime(), read_manifest), MemoryExecutor())


def kept(
    predict: PredictBatch,
    source: DataSource,
    folder: Path,
    output: str,
    names: list[str],
    size: int,
) -> dict[str, list[Any]]:
    """Score a source and return the kept columns as the output has them."""
    path = folder / f"{size}.{output}"
    sink: PredictionSink = SqlSink(f"sqlite:///{path}#t") if output == "sqlite" else open_sink(path)
    report = predict(
        source, sink, ModelRef(NAME, None, 1), BatchOptions(keep=names, chunk_rows=size)
    )
    assert report.rejected == 0
    found = _READERS[output](path)
    return {name: found[name] for name in names}


def _from_csv(path: Path) -> dict[str, list[Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return {n: [c or None for c in cells] for n, *cells in zip(header, *rows, strict=True)}


def _from_json_lines(path: Path) -> dict[str, list[Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _from_sqlite(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute('SELECT * FROM t ORDER BY "row"')
        names = [each[0] for each in found.description]
        return dict(zip(names, map(list, zip(*found, strict=True)), strict=True))


_READERS: Mapping[str, Callable[[Path], dict[str, list[Any]]]] = {
    "csv": _from_csv,
    "jsonl": _from_json_lines,
    "parquet": lambda path: dict(parquet.read_table(path).to_pydict()),
    "sqlite": _from_sqlite,
}


def parquet_source(folder: Path, columns: Mapping[str, pa.Array]) -> DataSource:
    rows = len(next(iter(columns.values())))
    features = {name: [value] * rows for name, value in ROW.items()}
    parquet.write_table(pa.table({**features, **columns}), folder / "in.parquet")
    return open_source(folder / "in.parquet")


@pytest.mark.parametrize("size", [1, 3, 4])
def test_columns_of_parquet(tmp_path: Path, predict: PredictBatch, size: int) -> None:
    source, names = parquet_source(tmp_path, COLUMNS), [*COLUMNS]
    found = {out: kept(predict, source, tmp_path, out, names, size) for out in OUTPUTS}
    assert found["csv"] == {**IN_TEXT, "bytes": ["00ff", None, None, "61"]}
    assert found["parquet"] == {name: column.to_pylist() for name, column in COLUMNS.items()}
    native = ("integers", "flags", "numbers")
    numbers = {name: COLUMNS[name].to_pylist() for name in native}
    assert found["sqlite"] == {**IN_TEXT, **numbers}
    unsigned = COLUMNS["unsigned"].to_pylist()
    nested = {
        "lists": COLUMNS["lists"].to_pylist(),
        "objects": [{"a": "1.50"}, None, {"a": None}, None],
    }
    assert found["jsonl"] == {**IN_TEXT, **numbers, "unsigned": unsigned, **nested}
    types = parquet.read_schema(tmp_path / f"{size}.parquet")
    assert {name: types.field(name).type for name in COLUMNS} == {
        name: column.type for name, column in COLUMNS.items()
    }


_LAST = 2**63 - 1
FAR_TIMES = {
    "zoned": pa.array([253402300800_000, None, 0], pa.timestamp("ms", "Europe/Berlin")),
    "stamps": pa.array([_LAST, None, -62135596801_000], pa.timestamp("ms")),
    "fine": pa.array([1, None, _LAST], pa.timestamp("ns", "UTC")),
    "days": pa.array([2**31 - 1, None, 0], pa.date32()),
    "hours": pa.array([1, None, 86399 * 10**9], pa.time64("ns")),
    "spans": pa.array([-1, None, _LAST], pa.duration("ns")),
    "far": pa.array([_LAST, None, -1500], pa.duration("ms")),
}
FAR_IN_TEXT = {
    "zoned": ["10000-01-01T00:00:00Z", None, "1970-01-01T01:00:00+01:00"],
    "stamps": ["292278994-08-17T07:12:55.807", None, "0000-12-31T23:59:59"],
    "fine": ["1970-01-01T00:00:00.000000001Z", None, "2262-04-11T23:47:16.854775807Z"],
    "days": ["5881580-07-11", None, "1970-01-01"],
    "hours": ["00:00:00.000000001", None, "23:59:59"],
    "spans": ["-PT0.000000001S", None, "PT9223372036.854775807S"],
    "far": ["PT9223372036854775.807S", None, "-PT1.5S"],
}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_times_that_python_does_not_hold(tmp_path: Path, predict: PredictBatch, size: int) -> None:
    source, names = parquet_source(tmp_path, FAR_TIMES), [*FAR_TIMES]
    for output in ("csv", "jsonl", "sqlite"):
        assert kept(predict, source, tmp_path, output, names, size) == FAR_IN_TEXT
    copy = _copied_to_parquet(predict, source, tmp_path, names, size)
    assert all(copy[name].combine_chunks().equals(FAR_TIMES[name]) for name in names)


def _copied_to_parquet(
    predict: PredictBatch, source: DataSource, folder: Path, names: list[str], size: int
) -> pa.Table:
    options = BatchOptions(keep=names, chunk_rows=size)
    predict(source, open_sink(folder / "copy.parquet"), ModelRef(NAME, None, 1), options)
    return parquet.read_table(folder / "copy.parquet")


@pytest.mark.parametrize("kind", [pa.timestamp, pa.duration])
@pytest.mark.parametrize("names", [("1", "2"), ("2", "1")])
def test_units_of_several_files_are_merged_if_all_times_fit(
    tmp_path: Path,
    predict: PredictBatch,
    names: tuple[str, str],
    kind: Callable[[str], pa.DataType],
) -> None:
    (tmp_path / "in").mkdir()
    for name, unit, value in zip(names, ("us", "ns"), (10**9 + 1, 1), strict=True):
        parquet_source(tmp_path, {"k": pa.array([value], kind(unit))})
        (tmp_path / "in.parquet").rename(tmp_path / "in" / f"{name}.parquet")
    source = open_source(tmp_path / "in")
    found = _copied_to_parquet(predict, source, tmp_path, ["k"], 9)["k"]
    assert found.type == kind("ns")
    assert sorted(found.cast(pa.int64()).to_pylist()) == [1, (10**9 + 1) * 1000]


def test_a_time_that_the_common_unit_does_not_hold_is_refused(
    tmp_path: Path, predict: PredictBatch
) -> None:
    far = {"k": pa.array([datetime(9999, 12, 31)], pa.timestamp("us"))}  # noqa: DTZ001
    (tmp_path / "in").mkdir()
    parquet_source(tmp_path, {"k": pa.array([1], pa.timestamp("ns"))})
    (tmp_path / "in.parquet").rename(tmp_path / "in" / "1.parquet")
    parquet_source(tmp_path / "in", far)
    source = open_source(tmp_path / "in")
    with pytest.raises(InvalidData, match=r"column 'k' cannot be written to Parquet: .*\[us\]"):
        _copied_to_parquet(predict, source, tmp_path, ["k"], 9)
    text = kept(predict, source, tmp_path, "csv", ["k"], 9)["k"]
    assert text == ["1970-01-01T00:00:00.000000001", "9999-12-31T00:00:00"]


def test_nested_times_that_python_does_not_hold_are_refused(
    tmp_path: Path, predict: PredictBatch
) -> None:
    nested = {"k": pa.array([[_LAST]], pa.list_(pa.duration("s")))}
    source = parquet_source(tmp_path, nested)
    with pytest.raises(InvalidData, match=r"of the type list<.*duration\[s\]> cannot be written"):
        kept(predict, source, tmp_path, "csv", ["k"], 9)
    copy = _copied_to_parquet(predict, source, tmp_path, ["k"], 9)
    assert copy["k"].combine_chunks().equals(nested["k"])


@settings(max_examples=25, deadline=None)
@example(values=[None, False], size=1)
@given(values=st.lists(JSON_VALUES, min_size=1, max_size=6), size=st.integers(1, 6))
def test_values_of_json_lines(predict: PredictBatch, values: list[Any], size: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = "".join(json.dumps({**ROW, "k": value}) + "\n" for value in values)
        (folder / "in.jsonl").write_text(lines)
        source = open_source(folder / "in.jsonl")
        for output in OUTPUTS:
            found = kept(predict, source, folder, output, ["k"], size)["k"]
            assert found == kept(predict, source, folder, output, ["k"], 1_000)["k"]
            if output == "jsonl":
                assert found == values
                assert [*map(type, found)] == [*map(_kind, values, found)]
            else:
                assert [*map(_value, found)] == [*map(_value, values)]


def _kind(value: Any, found: Any) -> type:
    """Return the type of a value in JSON, where an integral number may be written either way."""
    return type(found) if {type(value), type(found)} <= {int, float} else type(value)


def _value(found: Any) -> Any:
    """Return what the text of an output means, by the types of Python."""
    if isinstance(found, str):
        try:
            return json.loads(found, parse_constant=str)
        except ValueError:
            return found
    return found


@pytest.mark.parametrize(("source", "output"), [*product(["jsonl", "sqlite"], OUTPUTS)])
def test_a_column_of_a_later_type_is_not_that_of_the_first_chunk(
    tmp_path: Path, predict: PredictBatch, source: str, output: str
) -> None:
    values = [None, 1, "00003", 2.5]
    if source == "jsonl":
        lines = "".join(json.dumps({**ROW, "k": value}) + "\n" for value in values)
        (tmp_path / "in.jsonl").write_text(lines)
        opened: DataSource = open_source(tmp_path / "in.jsonl")
    else:
        with closing(sqlite3.connect(tmp_path / "in.db")) as connection, connection:
            connection.execute("CREATE TABLE t (height, age, sort, watered BOOLEAN, k)")
            rows = [(4.5, 9, "pear", 1, value) for value in values]
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        opened = SqlSource(f"sqlite:///{tmp_path / 'in.db'}#t")
    expected = values if output == "jsonl" else [None, "1", "00003", "2.5"]
    for size in (1, 2, 100):
        assert kept(predict, opened, tmp_path, output, ["k"], size)["k"] == expected


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("last", ["0.5", '"x"'])
def test_an_integer_after_a_number_with_a_fraction_is_the_same_in_every_chunk(
    tmp_path: Path, predict: PredictBatch, output: str, last: str
) -> None:
    lines = [
        f'{json.dumps(ROW)[:-1]}, "k": {value}}}\n' for value in ("2.5", "1", "2.5", "-0", last)
    ]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    source = open_source(tmp_path / "in.jsonl")
    found = []
    for size in (1, 2, 100):
        kept(predict, source, tmp_path, output, ["k"], size)
        path = tmp_path / f"{size}.{output}"
        found.append(
            path.read_bytes() if output in {"csv", "jsonl"} else _READERS[output](path)["k"]
        )
    assert [*map(str, found)] == [str(found[0])] * 3


def test_a_kept_feature_keeps_its_digits(tmp_path: Path, predict: PredictBatch) -> None:
    heights = pa.array([Decimal("4.50000000000000000001"), Decimal(5)])
    source = parquet_source(tmp_path, {"height": heights, "age": pa.array([7, None])})
    found = kept(predict, source, tmp_path, "sqlite", ["height", "age"], 1)
    assert found == {
        "height": ["4.50000000000000000001", "5.00000000000000000000"],
        "age": [7, None],
    }


def test_files_of_several_types_have_one_type(tmp_path: Path, predict: PredictBatch) -> None:
    (tmp_path / "in").mkdir()
    for number, column in enumerate([pa.array([1]), pa.array([0.5]), pa.array([2**53 + 1])]):
        features = {name: [value] for name, value in ROW.items()}
        table = pa.table({**features, "k": column})
        parquet.write_table(table, tmp_path / "in" / f"{number}.parquet")
    source = open_source(tmp_path / "in")
    for output in ("csv", "parquet", "sqlite"):
        found = kept(predict, source, tmp_path, output, ["k"], 10)["k"]
        assert found == ["1", "0.5", "9007199254740993"]


def test_a_column_that_would_lose_digits_is_refused_before_a_row_is_written(
    tmp_path: Path, predict: PredictBatch
) -> None:
    path = tmp_path / "5.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            'CREATE TABLE t (job TEXT, chunk INTEGER, "row" INTEGER, k REAL, prediction REAL, '
            "model TEXT)"
        )
    for column in (pa.array([1]), pa.array([1], pa.uint64()), pa.array([Decimal("0.1")])):
        source = parquet_source(tmp_path, {"k": column})
        with pytest.raises(InvalidData, match=r"column 'k' \(REAL\) cannot hold"):
            kept(predict, source, tmp_path, "sqlite", ["k"], 5)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
