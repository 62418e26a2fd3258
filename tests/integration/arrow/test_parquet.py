from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from adapters.arrow.reading.from_arrow import to_column
from adapters.arrow.reading.parquet_source import ParquetSource
from domain.data.dataset import Chunk
from domain.data.feature import Kind
from domain.data.table import Coded, Column, plain
from domain.errors import ChecksumMismatch, InvalidData, NotFound, UnreadableData
from tests.integration.contracts.data_source import cells, read_all

WHOLE = 1_000_000


def parquet_file(folder: Path, columns: Mapping[str, Any], **options: Any) -> Path:
    path = folder / "blocks.parquet"
    parquet.write_table(pa.table(dict(columns)), path, **options)
    return path


def only_chunk(source: ParquetSource) -> Chunk:
    (chunk,) = source.plan(WHOLE)
    return chunk


def column(folder: Path, values: Any, kind: Kind | None) -> Column:
    source = ParquetSource(parquet_file(folder, {"x": values}))
    return source.read(only_chunk(source), {"x": kind}).column("x")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 20))
def test_chunks_may_span_row_groups(groups: list[int], size: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.parquet"
        schema = pa.schema([("x", pa.int64())])
        with parquet.ParquetWriter(path, schema) as writer:
            for number, rows in enumerate(groups):
                values = [100 * number + row for row in range(rows)]
                writer.write_table(pa.table({"x": values}, schema=schema))
        source = ParquetSource(path)
        expected = [100 * number + row for number, rows in enumerate(groups) for row in range(rows)]
        assert source.version.rows == len(expected)
        assert read_all(source, {"x": Kind.INTEGER}, size) == {"x": expected}


@pytest.mark.parametrize(
    ("values", "kind", "form", "expected"),
    [
        (pa.array([1, None, 3], pa.int32()), Kind.NUMBER, "float64", [1.0, None, 3.0]),
        (pa.array([0.5, None], pa.float32()), Kind.NUMBER, "float64", [0.5, None]),
        (pa.array([0.5, float("nan")]), Kind.NUMBER, "float64", [0.5, None]),
        (pa.array([Decimal("1.50"), None]), Kind.NUMBER, "float64", [1.5, None]),
        (pa.array([2**53 + 1], pa.int64()), Kind.NUMBER, "float64", [2.0**53]),
        (pa.array(["1.5", None]), Kind.NUMBER, "object", ["1.5", None]),
        (pa.array([True, False]), Kind.NUMBER, "bool", [True, False]),
        (pa.array([2**53 + 1, 2], pa.int64()), Kind.INTEGER, "int64", [2**53 + 1, 2]),
        (pa.array([1, 2], pa.uint8()), Kind.INTEGER, "int64", [1, 2]),
        (pa.array([2**63], pa.uint64()), Kind.INTEGER, "float64", [2.0**63]),
        (pa.array([1, None], pa.int64()), Kind.INTEGER, "float64", [1.0, None]),
        (pa.array([1.0, 2.5]), Kind.INTEGER, "float64", [1.0, 2.5]),
        (pa.array([True, False]), Kind.BOOLEAN, "bool", [True, False]),
        (pa.array([True, None]), Kind.BOOLEAN, "object", [True, None]),
        (pa.array([1, 0]), Kind.BOOLEAN, "int64", [1, 0]),
        (pa.array([5, None]), Kind.CATEGORY, "object", [5, None]),
        (pa.nulls(2), Kind.NUMBER, "object", [None, None]),
    ],
)
def test_kinds(
    tmp_path: Path, values: pa.Array, kind: Kind, form: str, expected: list[Any]
) -> None:
    found = column(tmp_path, values, kind)
    assert isinstance(found, np.ndarray)
    assert found.dtype == form
    assert cells(found) == expected


@given(st.data())
def test_a_decimal_becomes_the_double_that_its_text_becomes(data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256]))
    most = {pa.decimal32: 9, pa.decimal64: 18, pa.decimal128: 38, pa.decimal256: 76}[make]
    precision = data.draw(st.integers(1, most))
    scale = data.draw(st.integers(0 if most < 38 else -5, precision))
    near = st.integers(-(2**53) - 9, -(2**53) + 9) | st.integers(2**53 - 9, 2**53 + 9)
    integers = st.integers(1 - 10**precision, 10**precision - 1) | st.integers(-999, 999) | near
    fits = st.lists(st.none() | integers.filter(lambda i: abs(i) < 10**precision), max_size=9)
    exact = Context(prec=most)
    decimals = [None if i is None else exact.scaleb(i, -scale) for i in data.draw(fits)]
    values = pa.array(decimals, make(precision, scale))[data.draw(st.integers(0, 2)) :]
    expected = [None if each is None else float(str(each)) for each in values.to_pylist()]
    for kind in (Kind.NUMBER, Kind.INTEGER):
        assert cells(to_column(pa.chunked_array([values, values]), kind)) == expected * 2


def test_the_decimals_of_a_file_are_the_numbers_of_its_text(tmp_path: Path) -> None:
    texts = [f"{degrees / 100:.2f}" for degrees in range(-18_000, 18_001)]
    values = pa.array(texts).cast(pa.decimal128(14, 4))
    assert cells(column(tmp_path, values, Kind.NUMBER)) == [*map(float, texts)]


def test_bytes_that_are_text_are_categories(tmp_path: Path) -> None:
    for kind in (pa.binary(), pa.large_binary()):
        values = pa.array([b"NEAR BAY", None, b"", b"\xff"], kind)
        found = cells(column(tmp_path, values, Kind.CATEGORY))
        assert found == ["NEAR BAY", None, "", b"\xff"]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["b", None, "a", "b"]),
        pa.array(["b", None, "a", "b"], pa.large_string()),
        pa.array(["b", None, "a", "b"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), ["b", "a", "c"]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, WHOLE])
def test_text_of_any_arrow_type_is_coded(tmp_path: Path, values: pa.Array, size: int) -> None:
    source = ParquetSource(parquet_file(tmp_path, {"x": values}, row_group_size=2))
    assert read_all(source, {"x": Kind.CATEGORY}, size) == {"x": ["b", None, "a", "b"]}
    (chunk,) = source.plan(WHOLE)
    assert isinstance(source.read(chunk, {"x": Kind.CATEGORY}).column("x"), Coded)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**60, None], pa.int64()), [2**60, None]),
        (pa.array([1, 2], pa.int16()), [1, 2]),
        (pa.array(["a", None, ""]), ["a", None, ""]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array([Decimal("1.50"), None]), [Decimal("1.50"), None]),
        (pa.array([date(1990, 4, 1)]), [date(1990, 4, 1)]),
        (pa.array([time(1, 2, 3)]), ["01:02:03"]),
        (
            pa.array([datetime(1990, 4, 1, 12, 30)]),  # noqa: DTZ001 - a time without a zone
            [datetime(1990, 4, 1, 12, 30)],  # noqa: DTZ001
        ),
        (
            pa.array([datetime(1990, 4, 1, 12, tzinfo=UTC), None]),
            ["1990-04-01T12:00:00Z", None],
        ),
        (pa.array([[1, 2], [3, 4], None]), [[1, 2], [3, 4], None]),
        (pa.array([b"\x00\xff"]), [b"\x00\xff"]),
        (pa.array([b"\x00\xff"]).dictionary_encode(), [b"\x00\xff"]),
    ],
)
def test_columns_without_a_kind_are_unchanged(
    tmp_path: Path, values: pa.Array, expected: list[Any]
) -> None:
    assert cells(column(tmp_path, values, None)) == expected


def test_nanoseconds_are_read_as_text(tmp_path: Path) -> None:
    values = pa.array([1, 2_000], pa.timestamp("ns", "UTC"))
    assert cells(column(tmp_path, values, None)) == [
        "1970-01-01T00:00:00.000000001Z",
        "1970-01-01T00:00:00.000002000Z",
    ]


def written_as_int96(folder: Path, columns: Mapping[str, Any]) -> ParquetSource:
    options = {"use_deprecated_int96_timestamps": True, "row_group_size": 1}
    return ParquetSource(parquet_file(folder, columns, **options))


@pytest.mark.parametrize("size", [1, WHOLE])
@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (["9999-12-31T23:59:59.000001", "0001-01-01", "2024-02-29T12:00", "NaT"], "us"),
        (["2262-04-11T23:47:16.854775807", "1677-09-22", "NaT"], "ns"),
    ],
)
def test_int96_times_are_read_in_the_finest_unit_that_holds_all_of_the_file(
    tmp_path: Path, times: list[str], unit: str, size: int
) -> None:
    expected = np.array(times, f"datetime64[{unit}]")
    source = written_as_int96(tmp_path, {"x": pa.array(expected)})
    read = [plain(source.read(chunk, {"x": None}).column("x")) for chunk in source.plan(size)]
    assert {each.dtype for each in read} == {expected.dtype}
    np.testing.assert_array_equal(np.concatenate(read), expected)


def test_int96_times_that_no_unit_can_hold_are_refused_by_column(tmp_path: Path) -> None:
    fine = pa.array(np.array(["2024-01-01T00:00:00.000000001", "NaT"], "datetime64[ns]"))
    far = pa.array(np.array(["9999-12-31", "NaT"], "datetime64[us]"))
    source = written_as_int96(tmp_path, {"fine": fine, "far": far, "x": [1.0, 2.0]})
    chunk = only_chunk(source)
    assert cells(source.read(chunk, {"x": Kind.NUMBER}).column("x")) == [1.0, 2.0]
    assert cells(source.read(chunk, {"far": None}).column("far"))[0] == datetime(9999, 12, 31)  # noqa: DTZ001
    with pytest.raises(InvalidData, match="column 'fine' cannot be read"):
        source.read(chunk, {"x": Kind.NUMBER, "fine": None})


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.parquet"
    path.touch()
    with pytest.raises(UnreadableData, match=r"blocks\.parquet is empty"):
        _ = ParquetSource(path).version


def test_a_table_without_rows_has_no_chunks(tmp_path: Path) -> None:
    source = ParquetSource(parquet_file(tmp_path, {"x": pa.array([], pa.float64())}))
    assert source.version.rows == 0
    assert source.columns == ("x",)
    assert list(source.plan(5)) == []


@pytest.mark.parametrize("keep", [4, 30, -1, -200])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = parquet_file(tmp_path, {"x": np.arange(1_000.0)})
    path.write_bytes(path.read_bytes()[:keep])
    for ask in (lambda s: s.version, lambda s: s.columns, lambda s: list(s.plan(5))):
        with pytest.raises(UnreadableData, match=r"blocks\.parquet is not valid Parquet"):
            ask(ParquetSource(path))


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.parquet"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(UnreadableData, match=r"blocks\.parquet is not valid Parquet"):
        _ = ParquetSource(path).columns


def test_damaged_rows_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = parquet_file(tmp_path, {"x": np.arange(1_000.0)}, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:24] = b"\xff" * 20
    path.write_bytes(content)
    source = ParquetSource(path)
    (chunk,) = source.plan(WHOLE)
    with pytest.raises(UnreadableData, match=r"blocks\.parquet is not valid Parquet"):
        source.read(chunk, {"x": Kind.NUMBER})


def test_a_column_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.parquet"
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["x", "x", "x.y"])
    parquet.write_table(table, path)
    source = ParquetSource(path)
    assert source.columns == ("x", "x", "x.y")
    assert cells(source.read(only_chunk(source), {"x.y": Kind.NUMBER}).column("x.y")) == [3.0]
    with pytest.raises(InvalidData, match="has several columns 'x'"):
        source.read(only_chunk(source), {"x": Kind.NUMBER})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.parquet", tmp_path):
        with pytest.raises(NotFound):
            _ = ParquetSource(path).version


def test_a_file_that_is_replaced_after_the_plan_is_refused(tmp_path: Path) -> None:
    source = ParquetSource(parquet_file(tmp_path, {"x": [1, 2]}))
    chunk = only_chunk(source)
    parquet_file(tmp_path, {"x": [1, 2, 3]})
    with pytest.raises(ChecksumMismatch, match=r"blocks\.parquet was changed"):
        source.read(chunk, {"x": Kind.NUMBER})
