"""CSV files of other dialects: what is detected, what is given, what is refused."""

import csv
import gzip
import pickle
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.arrow.open_by_suffix import open_source
from adapters.arrow.reading.csv_source import CsvSource
from application.ports import DataSource
from domain.data.dialect import Dialect
from domain.data.feature import Kind
from domain.errors import Misconfigured, UnreadableData
from tests.integration.contracts.data_source import contents, read_all

WHOLE = 1_000_000
KINDS = {"x": Kind.NUMBER, "n": Kind.INTEGER, "c": Kind.CATEGORY, "t": None}


def source_of(folder: Path, content: str | bytes, name: str = "in.csv", **given: str) -> DataSource:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_source(path, dialect=Dialect(**given))


TEXTS = st.text(st.characters(codec="latin-1", exclude_characters="\0"), max_size=5)
ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**53), 2**53),
        TEXTS,
        TEXTS,
    ),
    min_size=1,
    max_size=9,
)


@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "latin-1"]),
    st.integers(1, 4),
)
def test_a_file_of_any_given_dialect_has_the_same_cells(
    rows: list[Any], delimiter: str, decimal: str, encoding: str, size: int
) -> None:
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(KINDS)
    for x, *others in rows:
        writer.writerow(["" if x is None else repr(x).replace(".", decimal), *others])
    with TemporaryDirectory() as folder:
        source = source_of(
            Path(folder),
            text.getvalue().encode(encoding),
            delimiter=delimiter,
            decimal=decimal,
            encoding=encoding,
        )
        found = read_all(pickle.loads(pickle.dumps(source)), KINDS, size)
    expected = [(x, n, c or None, t or None) for x, n, c, t in rows]
    assert [*zip(*found.values(), strict=True)] == expected


@pytest.mark.parametrize(
    ("content", "note", "expected"),
    [
        ("x;y\n1.5;2\n", "delimiter ';'", [1.5, 2.0]),
        ("x;y\n-1,25;2\n", "delimiter ';' and decimal ','", [-1.25, 2.0]),
        ("x\ty\n1.5\t2\n", r"delimiter '\t'", [1.5, 2.0]),
        ("x|y\n1.5|2\n", "delimiter '|'", [1.5, 2.0]),
        ("sep=;\r\nx;y\r\n1.5;2\r\n", "delimiter ';'", [1.5, 2.0]),
        ("\ufeffSEP=|\nx|y\n1.5|2\n", "delimiter '|'", [1.5, 2.0]),
        ("sep=,\nx,y\n1.5,2\n", "", [1.5, 2.0]),
        ('x,y\n"1,5",2\n', "decimal ','", [1.5, 2.0]),
        ('x;y\n"0,125";2\n', "delimiter ';' and decimal ','", [0.125, 2.0]),
        ('"x;",y\n1.5,2\n', "", [1.5, 2.0]),
        ("x,y\n1.5,2\n", "", [1.5, 2.0]),
        # A comma that may separate thousands is not a decimal comma.
        ('x,y\n"7,099",2\n', "", ["7,099", 2.0]),
        ("x;y\n7,099;2\n", "delimiter ';'", ["7,099", 2.0]),
        ("x;y\n7,09;2.5\n", "delimiter ';'", ["7,09", 2.5]),
        ("x;y\n1.234,5;2,5\n", "delimiter ';' and decimal ','", ["1.234,5", 2.5]),
    ],
)
def test_what_the_first_rows_show_is_detected_and_said(
    tmp_path: Path, content: str, note: str, expected: list[Any]
) -> None:
    source = source_of(tmp_path, content)
    assert isinstance(source, CsvSource)
    assert source.note == (note and f"{tmp_path / 'in.csv'} is read with {note}")
    assert source.version.rows == 1
    kinds = dict.fromkeys(source.columns, Kind.NUMBER)
    found = [values[0] for values in read_all(source, kinds, WHOLE).values()]
    assert found == expected


def test_what_is_given_is_part_of_the_version(tmp_path: Path) -> None:
    content = "x;y\n1,5;2\n"
    detected = source_of(tmp_path, content).version
    point = source_of(tmp_path, content, decimal=".").version
    comma = source_of(tmp_path, content, decimal=",").version
    assert len({detected.sha256, point.sha256, comma.sha256}) == 3
    utf16 = source_of(tmp_path, content.encode("utf-16"), encoding="utf-16").version
    assert utf16.sha256 == detected.sha256, "the dataset is the content"


def test_a_tsv_file_is_separated_by_tabs(tmp_path: Path) -> None:
    source = source_of(tmp_path, gzip.compress(b"x\ty,z\n1,5\t2\n"), "in.tsv.gz", decimal=",")
    assert source.columns == ("x", "y,z")
    assert read_all(source, {"x": Kind.NUMBER}, 1) == {"x": [1.5]}


@pytest.mark.parametrize(
    ("content", "name", "given", "why"),
    [
        ("x\nMÄRZ\n".encode("latin-1"), "in.csv", {}, r"line 2: not UTF-8: .*--encoding"),
        ("x\n1\n".encode("utf-16"), "in.csv", {}, "is UTF-16; .*--encoding utf-16"),
        ("x\n1\n".encode("utf-16-le"), "in.csv", {}, r"zero bytes; .*--encoding"),
        (b"x\n1\n\xff", "in.csv", {"encoding": "ascii"}, "is not ascii: .*--encoding"),
        (gzip.compress(b"x\n1\n"), "in.csv", {}, "is compressed by gzip; .* end in .gz"),
        (gzip.compress(b"{}"), "in.jsonl", {}, "is compressed by gzip; .* end in .gz"),
        (b"\x28\xb5\x2f\xfd\xff", "in.csv", {}, "is compressed by Zstandard; .* end in .zst"),
        (b"PK\x03\x04\xff", "in.csv", {}, "an Excel workbook; save it as CSV"),
        (b"x\n1\n", "in.csv.gz", {}, r"in\.csv\.gz is not compressed"),
        (b"x\n1\n", "in.csv.zst", {}, r"in\.csv\.zst is not compressed"),
    ],
)
def test_another_form_is_named(
    tmp_path: Path, content: bytes, name: str, given: dict[str, str], why: str
) -> None:
    source = source_of(tmp_path, content, name, **given)
    with pytest.raises(UnreadableData, match=why):
        _ = (source.columns, source.version)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("in.parquet", {"encoding": "latin-1"}, "is not a CSV file"),
        ("in.jsonl", {"delimiter": ";"}, "is not a CSV file"),
        ("in.csv", {"delimiter": ";;"}, "delimiter: ';;' is not allowed"),
        ("in.csv", {"delimiter": '"'}, "is not allowed"),
        ("in.csv", {"decimal": ";"}, "decimal: ';' is not allowed"),
        ("in.csv", {"encoding": "klingon"}, "encoding: 'klingon' is not known"),
        ("in.csv", {"encoding": "base64"}, "encoding: 'base64' is not known"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(
    tmp_path: Path, name: str, given: dict[str, str], why: str
) -> None:
    with pytest.raises(Misconfigured, match=why):
        source_of(tmp_path, "x\n1\n", name, **given)


def test_jsonl_of_another_encoding_is_read(tmp_path: Path) -> None:
    source = source_of(tmp_path, '{"x": "é"}\n'.encode("latin-1"), "in.jsonl", encoding="latin-1")
    assert read_all(source, {"x": Kind.CATEGORY}, 1) == {"x": ["é"]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"x": 1}, {"x": 2.5}]', [1.0, 2.5]),
        ('\ufeff [\n {\n  "x": 1\n },\r\n {"x": "a\u2028"}\n]\n', [1.0, "a\u2028"]),
        ('{"x": 1}\n{"x": 2}\n', [1.0, 2.0]),
        ('{\n "x": 1\n}\n{\n "x": 2}', [1.0, 2.0]),
        ("[]", []),
        (" ", []),
    ],
)
def test_json_with_an_array_or_several_objects_is_read(
    tmp_path: Path, content: str, expected: list[Any]
) -> None:
    source = source_of(tmp_path, content, "in.json")
    assert source.version.rows == len(expected)
    if expected:
        assert read_all(source, {"x": Kind.NUMBER}, 1) == {"x": expected}


def test_an_ambiguous_object_in_an_array_is_a_violation(tmp_path: Path) -> None:
    source = source_of(tmp_path, '[{"x": 1, "x": 2}, {"x": 3}, 4]', "in.json")
    (chunk,) = source.plan(9)
    assert [v.row for v in source.read(chunk, {"x": Kind.NUMBER}).faults] == [0, 2]


@pytest.mark.parametrize("content", ["[", "[1 2]", "[1,]", "[1] 2", "x", '[{"x": 1}'])
def test_what_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnreadableData, match=r"in\.json is not JSON: .* line 1"):
        source_of(tmp_path, content, "in.json")


@pytest.mark.parametrize("end", [",", ",,,", ",\r"])
@pytest.mark.parametrize("rows_per_chunk", [1, 2, 9])
def test_cells_that_every_row_has_behind_the_last_column_are_skipped_if_empty(
    tmp_path: Path, end: str, rows_per_chunk: int
) -> None:
    source = source_of(tmp_path, f'x,t\n1,"a,"{end}\n2,{end}\n,c{end}\n')
    table = {"x": [1.0, 2.0, None], "t": ["a,", None, "c"]}
    assert read_all(source, {"x": Kind.NUMBER, "t": None}, rows_per_chunk) == table


def test_an_only_cell_may_be_empty_before_skipped_ones(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x\n1,\n,\n2,")
    assert read_all(source, {"x": Kind.NUMBER}, 1) == {"x": [1.0, None, 2.0]}


@pytest.mark.parametrize("rows_per_chunk", [1, 2, 9])
@pytest.mark.parametrize(
    ("content", "rejected"),
    [
        ("1,2,\n1,2\n1,2,3\n", {0: ", the last one empty", 2: ""}),  # not every row has it
        ("1,2,\n1,,\n1,2,3\n", {0: ", the last one empty", 1: ", the last one empty", 2: ""}),
    ],
)
def test_cells_behind_the_last_column_are_named_if_not_all_are_empty(
    tmp_path: Path, content: str, rejected: dict[int, str], rows_per_chunk: int
) -> None:
    source = source_of(tmp_path, "x,y\n" + content)
    found = {
        chunk.start + violation.row: violation.problem
        for chunk in source.plan(rows_per_chunk)
        for violation in source.read(chunk, {"x": Kind.NUMBER}).faults
    }
    assert found == {row: f"has 3 cells{end}" for row, end in rejected.items()}


def test_rows_of_other_lengths_are_rejected_where_empty_cells_are_skipped(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x,y\n1,2,\n3,4,,\n5,6,\n7\na,b,c,\n")
    (chunk,) = source.plan(9)
    table = source.read(chunk, {"x": Kind.NUMBER, "y": Kind.NUMBER})
    assert [v.row for v in table.faults] == [1, 3, 4]
    assert contents(table[np.array([0, 2])]) == {"x": [1.0, 5.0], "y": [2.0, 6.0]}


def test_columns_without_a_name_are_as_many_as_the_header_has(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x,,,\n1,,,\n")
    assert source.columns == ("x", "", "", "")
    assert read_all(source, {"x": Kind.NUMBER}, 9) == {"x": [1.0]}
