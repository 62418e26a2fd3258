import csv
import gc
import os
import pickle
from collections.abc import Mapping
from hashlib import md5, sha256
from io import StringIO
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.arrow.reading.csv_source import CsvSource
from domain.data.dataset import Chunk
from domain.data.feature import Feature, Kind
from domain.data.table import Coded, Kept, Table, plain
from domain.data.value_type import ValueType
from domain.errors import ChecksumMismatch, InvalidData, NotFound, UnreadableData, Violation
from tests.integration.contracts.data_source import cells, contents, read_all

WHOLE = 1_000_000


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "blocks.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, kinds: Mapping[str, Kind | None]) -> dict[str, list[Any]]:
    return read_all(CsvSource(path), kinds, WHOLE)


def only_chunk(source: CsvSource) -> Chunk:
    (chunk,) = source.plan(WHOLE)
    return chunk


def column(folder: Path, kind: Kind, *texts: str) -> Any:
    """Return the column of a CSV file with these cells, quoted if necessary."""
    lines = StringIO(newline="")
    csv.writer(lines).writerows([["x", "y"], *([text, "1"] for text in texts)])
    source = CsvSource(csv_file(folder, lines.getvalue()))
    return source.read(only_chunk(source), {"x": kind}).column("x")


CELLS = st.one_of(
    st.sampled_from(["", "1.5", "NaN", '"', ",", "\n", "\r\n", "\r", "a,b", '""', "x\n\ny"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)


@st.composite
def csv_texts(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """Draw a CSV file of two columns and the rows in it."""
    rows = draw(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + f"x,y{end}"
    for row in rows:
        text += end * draw(st.integers(0, 1))
        quoted = [draw(st.booleans()) or any(c in cell for c in '",\r\n') for cell in row]
        shown = (
            '"' + cell.replace('"', '""') + '"' if q else cell
            for cell, q in zip(row, quoted, strict=True)
        )
        text += ",".join(shown) + end
    shortened: bool = draw(st.booleans())
    if rows and shortened:
        text = text.removesuffix(end)
    return text, rows


@given(csv_texts(), st.integers(1, 5))
def test_chunks_of_any_size_are_the_rows_whatever_the_quotes_and_line_ends(
    drawn: tuple[str, list[list[str]]], size: int
) -> None:
    text, rows = drawn
    with TemporaryDirectory() as folder:
        source = CsvSource(csv_file(Path(folder), text))
        assert source.columns == ("x", "y")
        assert source.version.rows == len(rows)
        found = read_all(source, {"x": None, "y": None}, size)
    assert found == {name: [row[place] or None for row in rows] for place, name in enumerate("xy")}


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=1, max_size=20))
def test_every_float_is_read_to_the_last_bit(numbers: list[float | None]) -> None:
    with TemporaryDirectory() as folder:
        found = column(Path(folder), Kind.NUMBER, *("" if n is None else repr(n) for n in numbers))
    assert found.dtype == np.float64
    assert cells(found) == numbers


def test_the_reference_data_are_read(housing_csv: Path) -> None:
    source = CsvSource(housing_csv)
    version = source.version
    assert version.sha256 == sha256(housing_csv.read_bytes()).hexdigest()
    assert version.md5 == md5(housing_csv.read_bytes(), usedforsecurity=False).hexdigest()
    assert version.rows == 20_640
    assert not version.simulated
    kinds = {"total_bedrooms": Kind.NUMBER, "ocean_proximity": Kind.CATEGORY}
    found = read_all(source, kinds, 4_096)
    with housing_csv.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert found["ocean_proximity"] == [row["ocean_proximity"] for row in rows]
    assert found["total_bedrooms"].count(None) == 207
    assert found["total_bedrooms"] == [
        float(row["total_bedrooms"]) if row["total_bedrooms"] else None for row in rows
    ]


def test_the_version_has_the_given_uri(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "x\n1\n")
    assert CsvSource(path).version.uri == str(path)
    assert CsvSource(path, "https://host/blocks.csv").version.uri == "https://host/blocks.csv"


@pytest.mark.parametrize("text", ["", '""'])
def test_only_an_empty_cell_is_missing(tmp_path: Path, text: str) -> None:
    path = csv_file(tmp_path, f"x,y\n{text},1\n2,3\n")
    kinds: list[Kind | None] = [Kind.NUMBER, Kind.INTEGER, Kind.CATEGORY, Kind.BOOLEAN, None]
    for kind in kinds:
        assert read(path, {"x": kind})["x"][0] is None


@pytest.mark.parametrize("text", ["NaN", "nan", "-nan", "NA", "null", "N/A", "n/a", "#N/A", " "])
@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.INTEGER])
def test_words_such_as_null_are_not_missing(tmp_path: Path, text: str, kind: Kind) -> None:
    found = column(tmp_path, kind, "1", text, "")
    assert found.tolist() == [1.0, text, None]
    _, problems = Feature("x", kind, nullable=True).encode_column(found)
    assert problems == {1: "is not a number"}


@pytest.mark.parametrize("text", ["inf", "-Infinity", "INF", "1e400", "-1e999"])
@pytest.mark.parametrize("beside", ["", "three"])
def test_numbers_beyond_float64_are_infinite(tmp_path: Path, text: str, beside: str) -> None:
    found = column(tmp_path, Kind.NUMBER, text, beside)
    assert abs(found[0]) == inf
    _, problems = Feature("x", Kind.NUMBER, nullable=True).encode_column(found)
    assert problems[0] == "is not a finite number"


@pytest.mark.parametrize("text", ["0x10", "1_000", "1,5", "1.2.3", "--1", "1e", "١", "true", "12a"])
def test_a_cell_that_is_not_a_number_stays_text(tmp_path: Path, text: str) -> None:
    found = column(tmp_path, Kind.NUMBER, "1.25", text, "", " -2e3 ", "+.5")
    assert found.dtype == object
    assert found.tolist() == [1.25, text, None, -2000.0, 0.5]


@pytest.mark.parametrize(
    ("texts", "dtype", "values"),
    [
        (["1", "-2"], "int64", [1, -2]),
        (["9007199254740993", "1"], "int64", [2**53 + 1, 1]),
        (["1", ""], "float64", [1.0, None]),
        (["1", "2.0"], "float64", [1.0, 2.0]),
        (["1", "2.5"], "float64", [1.0, 2.5]),
        (["+1", "99999999999999999999"], "float64", [1.0, 1e20]),
        (["1", "two"], "object", [1.0, "two"]),
    ],
)
def test_integers(tmp_path: Path, texts: list[str], dtype: str, values: list[Any]) -> None:
    found = column(tmp_path, Kind.INTEGER, *texts)
    assert found.dtype == dtype
    assert cells(found) == values


@pytest.mark.parametrize(
    ("texts", "dtype", "values"),
    [
        (["true", "False", "TRUE", "0", "1"], "bool", [True, False, True, False, True]),
        (["tRuE", " false"], "bool", [True, False]),
        (["true", ""], "object", [True, None]),
        (["true", "yes", ""], "object", [True, "yes", None]),
    ],
)
def test_booleans(tmp_path: Path, texts: list[str], dtype: str, values: list[Any]) -> None:
    found = column(tmp_path, Kind.BOOLEAN, *texts)
    assert found.dtype == dtype
    assert found.tolist() == values


def test_categories_are_coded(tmp_path: Path) -> None:
    found = column(tmp_path, Kind.CATEGORY, "INLAND", "", "<1H OCEAN", "INLAND", "NA")
    assert isinstance(found, Coded)
    assert found.decoded().tolist() == ["INLAND", None, "<1H OCEAN", "INLAND", "NA"]
    assert len(found.values) == 3


def test_a_bad_cell_does_not_change_other_columns(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b,c,d\n1,x,true,k\n2,2.5,,\n")
    source = CsvSource(path)
    kinds = {"a": Kind.INTEGER, "b": Kind.NUMBER, "c": Kind.BOOLEAN, "d": Kind.CATEGORY}
    table = source.read(only_chunk(source), kinds)
    assert cells(table.column("a")) == [1, 2]
    assert cells(table.column("b")) == ["x", 2.5]
    assert cells(table.column("c")) == [True, None]
    assert isinstance(table.column("d"), Coded)


def test_unrequested_columns_may_hold_anything(tmp_path: Path) -> None:
    width = 3_000
    names = [f"junk {place}" for place in range(width)]
    names[1_234] = "x"
    lines = [",".join(names)]
    for row in range(50):
        cells_of_row = ['"a\nb"'] * width
        cells_of_row[1_234] = str(row)
        lines.append(",".join(cells_of_row))
    source = CsvSource(csv_file(tmp_path, "\n".join(lines)))
    assert len(source.columns) == width
    assert read_all(source, {"x": Kind.NUMBER}, 7) == {"x": [float(row) for row in range(50)]}


def test_a_row_longer_than_the_blocks_it_is_read_in(tmp_path: Path) -> None:
    long = "x" * 3_000_000 + "\n" * 5_000_000
    path = csv_file(tmp_path, f'x,y\n1,a\n2,"{long}"\n3,b\n')
    assert read_all(CsvSource(path), {"x": Kind.INTEGER, "y": None}, 2) == {
        "x": [1, 2, 3],
        "y": ["a", long, "b"],
    }


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n", b"\r\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    source = CsvSource(csv_file(tmp_path, content))
    for ask in (lambda: source.version, lambda: source.columns, lambda: list(source.plan(5))):
        with pytest.raises(UnreadableData, match=r"blocks\.csv is empty"):
            ask()


@pytest.mark.parametrize("content", ["x,y", "x,y\n", "\ufeffx,y\r\n\r\n"])
def test_a_file_with_only_a_header_has_no_rows(tmp_path: Path, content: str) -> None:
    source = CsvSource(csv_file(tmp_path, content))
    assert source.columns == ("x", "y")
    assert source.version.rows == 0
    assert list(source.plan(5)) == []


def test_column_names_are_unchanged(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '\ufeff"first, ""x""\nline two", b ,,x,x,ü\n1,2,3,4,5,6\n')
    source = CsvSource(path)
    assert source.columns == ('first, "x"\nline two', " b ", "", "x", "x", "ü")
    kinds = {'first, "x"\nline two': Kind.NUMBER, "ü": Kind.NUMBER, "": None}
    assert read(path, kinds) == {'first, "x"\nline two': [1.0], "ü": [6.0], "": ["3"]}
    with pytest.raises(InvalidData, match="has several columns 'x'"):
        source.read(only_chunk(source), {"x": Kind.NUMBER})


def test_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, b"x,y\n1,caf\xc3\xa9\n2,caf\xe9\n"))
    with pytest.raises(UnreadableData, match=r"blocks\.csv, line 3: .*byte 0xE9 at offset 17"):
        _ = source.version
    with pytest.raises(UnreadableData, match=r"blocks\.csv, line 3: .*byte 0xE9 at offset 17"):
        source.read(only_chunk(source), {"y": None})


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match=r"line 1: .*byte 0xE9 at offset 0"):
        _ = CsvSource(csv_file(tmp_path, "é,y\n1,2\n".encode("latin-1"))).columns


@pytest.mark.parametrize(("row", "count"), [("1", 1), ("1,2,3", 3), (",,,4", 4)])
def test_a_row_of_another_width_is_a_violation(tmp_path: Path, row: str, count: int) -> None:
    source = CsvSource(csv_file(tmp_path, f'x,y\r\n"a\r\nb",1\r\n\r\n3,4\r\n{row}\r\n5,6\r\n'))
    assert source.version.rows == 4
    first, second = source.plan(2)
    assert source.read(first, {"x": None}).faults == ()
    table = source.read(second, {"x": Kind.INTEGER, "y": None})
    problem = f"has {count} cell{'' if count == 1 else 's'}"
    assert table.faults == (Violation(0, "", problem, "2 cells, as in the header"),)
    assert contents(table[1:]) == {"x": [5], "y": ["6"]}


def test_a_violation_does_not_change_the_types_of_other_rows(tmp_path: Path) -> None:
    whole = CsvSource(csv_file(tmp_path, "x,y,z,k\n7,true,a,b\n8,false,c,d\n"))
    kinds = {"x": Kind.INTEGER, "y": Kind.BOOLEAN, "z": Kind.CATEGORY, "k": None}
    expected = whole.read(only_chunk(whole), kinds)
    source = CsvSource(csv_file(tmp_path, "x,y,z,k\n1\n7,true,a,b\n\n1,2\n8,false,c,d\n,,,,\n"))
    table = source.read(only_chunk(source), kinds)
    assert [fault.row for fault in table.faults] == [0, 2, 4]
    found = table[np.array([1, 3])]
    assert contents(found) == contents(expected)
    assert [type(c) for c in found.columns.values()] == [type(c) for c in expected.columns.values()]


def test_a_violation_tells_how_many_lines_a_row_has(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, 'x,y\n1,2\n3,"4\n5\n6",7\n8,9\n'))
    table = source.read(only_chunk(source), {"x": None})
    assert [(f.row, f.problem) for f in table.faults] == [(1, "has 3 cells over 3 lines")]


def test_all_rows_may_be_violations(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, "x,y\n1\n1,2,3\n"))
    table = source.read(only_chunk(source), {"x": Kind.NUMBER})
    assert (len(table), [fault.row for fault in table.faults]) == (2, [0, 1])


def test_a_row_of_another_width_behind_a_huge_cell(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, "x,y\n1," + "z" * 200_000 + "\n3\n"))
    table = source.read(only_chunk(source), {"y": None})
    assert [fault.row for fault in table.faults] == [1]
    assert contents(table[:1]) == {"y": ["z" * 200_000]}


CELL = st.text('ab,"\n\r é', max_size=4)


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=8), st.integers(1, 5))
def test_valid_rows_and_violations_are_all_rows(rows: list[list[str]], rows_per_chunk: int) -> None:
    """The rows are those of Python's reader, in order; rows of another width are violations.

    The width is 2, or more if all rows have more cells and those are empty.
    """
    width = min((len(row) for row in rows if len(row) >= 2), default=2)
    if any("".join(row[2:]) for row in rows if len(row) == width):
        width = 2
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([["x", "y"], *rows])
    found: list[list[str | None] | None] = []
    with TemporaryDirectory() as folder:
        source = CsvSource(csv_file(Path(folder), text.getvalue()))
        for chunk in source.plan(rows_per_chunk):
            table = source.read(chunk, {"x": None, "y": None})
            faulty = {fault.row for fault in table.faults}
            lines = zip(*contents(table).values(), strict=True)
            found += [None if i in faulty else [*line] for i, line in enumerate(lines)]
    assert found == [
        [cell or None for cell in row[:2]] if len(row) == width else None for row in rows
    ]


def test_an_invalid_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="the header cannot be parsed: field larger"):
        _ = CsvSource(csv_file(tmp_path, "x" * 200_000 + "\n")).columns


def test_an_unclosed_quote_is_refused(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, 'x,y\n1,2\n3,"4\n5,6\n'))
    with pytest.raises(UnreadableData, match="the row that begins at byte 8 does not end"):
        _ = source.version


def test_errors_never_repeat_the_data(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, "x,y\nsecret,1,2\n"))
    (fault,) = source.read(only_chunk(source), {"x": Kind.NUMBER}).faults
    assert "secret" not in str(fault)


@pytest.mark.parametrize("name", ["nothing.csv", "nothing/nothing.csv", "", "blocks.csv/x.csv"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    csv_file(tmp_path, "x\n1\n")
    source = CsvSource(tmp_path / name)
    with pytest.raises(NotFound, match="file"):
        _ = source.version
    with pytest.raises(NotFound, match="file"):
        _ = source.columns


def test_a_file_that_changes_after_the_first_access_is_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "x,y\n1,2\n3,4\n")
    source = CsvSource(path)
    _ = source.version
    (chunk,) = source.plan(5)
    sent = pickle.dumps(source)
    path.write_text("x,y\n5,6\n7,8\n")
    os.utime(path, ns=(1, 1))
    for each in (source, pickle.loads(sent)):
        with pytest.raises(ChecksumMismatch, match=r"blocks\.csv was changed"):
            each.read(chunk, {"x": Kind.NUMBER})
    with pytest.raises(ChecksumMismatch, match=r"blocks\.csv was changed"):
        list(source.plan(5))


def test_an_unfinished_plan_leaves_no_file_open(tmp_path: Path) -> None:
    plan = CsvSource(csv_file(tmp_path, "x\n1\n2\n3\n")).plan(1)
    assert next(plan).rows == 1
    del plan
    gc.collect()  # a file left open would be a warning, and so an error


def test_a_chunk_without_columns_has_its_rows(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, "x,y\n1,2\n3,4\n"))
    table = source.read(only_chunk(source), {})
    assert isinstance(table, Table)
    assert len(table) == 2


def test_unchanged_text_can_be_selected(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, 'x,y\n007,1\n,2\n"a, b",3\nZürich,4\n007,5\n'))
    found = source.read(only_chunk(source), {"x": None}).column("x")
    assert isinstance(found, Kept)
    assert found.type is ValueType.TEXT
    assert plain(found).tolist() == ["007", None, "a, b", "Zürich", "007"]
    assert plain(found[1:3]).tolist() == [None, "a, b"]
    assert plain(found[np.array([3, 0])]).tolist() == ["Zürich", "007"]
    assert plain(found[np.array([False, True, False, False, True])]).tolist() == [None, "007"]
    assert plain(found[np.array([], dtype=np.intp)]).tolist() == []
