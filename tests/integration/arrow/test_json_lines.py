import json
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.arrow.reading.json_lines_source import JsonLinesSource
from domain.data.feature import Feature, Kind
from domain.data.table import Column, Table, plain
from domain.errors import ChecksumMismatch, InvalidData, NotFound, UnreadableData, Violation
from tests.integration.contracts.data_source import cells, contents, read_all

WHOLE = 1_000_000


def lines_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "blocks.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def column(folder: Path, kind: Kind | None, *values: str) -> Column:
    """Return the column of a JSON Lines file with these values; an empty one has no key."""
    rows = [f'{{"x": {value}, "y": 1}}' if value else '{"y": 1}' for value in values]
    source = JsonLinesSource(lines_file(folder, "\n".join(rows)))
    (chunk,) = source.plan(WHOLE)
    return source.read(chunk, {"x": kind}).column("x")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
)


@given(
    st.lists(VALUES, min_size=1, max_size=8),
    st.integers(1, 9),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \n"]),
)
def test_values_without_a_kind_are_unchanged(values: list[Any], size: int, end: str) -> None:
    with TemporaryDirectory() as folder:
        content = "".join(json.dumps({"x": value}) + end for value in values)
        source = JsonLinesSource(lines_file(Path(folder), content))
        assert source.version.rows == len(values)
        assert read_all(source, {"x": None}, size) == {"x": values}


@given(st.lists(VALUES, min_size=1, max_size=8), st.integers(1, 9))
def test_a_number_is_what_is_written_as_a_number(values: list[Any], size: int) -> None:
    with TemporaryDirectory() as folder:
        content = "".join(json.dumps({"x": value}) + "\n" for value in values)
        source = JsonLinesSource(lines_file(Path(folder), content))
        feature = Feature("x", Kind.NUMBER, nullable=True)
        refused = set()
        for chunk in source.plan(size):
            found = source.read(chunk, {"x": Kind.NUMBER}).column("x")
            numbers, problems = feature.encode_column(found)
            refused |= {chunk.start + row for row in problems}
            for row, number in enumerate(numbers.tolist()):
                value = values[chunk.start + row]
                if row not in problems and value is not None:
                    assert number == float(value)
    numeric = [isinstance(v, int | float | None) and not isinstance(v, bool) for v in values]
    assert refused == {row for row, fits in enumerate(numeric) if not fits}


@pytest.mark.parametrize(
    ("kind", "texts", "form", "expected"),
    [
        (Kind.NUMBER, ["1", "2.5", "null", ""], "float64", [1.0, 2.5, None, None]),
        (Kind.NUMBER, ["1", '"2.5"'], "object", [1, "2.5"]),
        (Kind.NUMBER, ["1", "true"], "object", [1, True]),
        (Kind.NUMBER, ["1", "[1]"], "object", [1, [1]]),
        (Kind.INTEGER, ["1", "9007199254740993"], "int64", [1, 2**53 + 1]),
        (Kind.INTEGER, ["1", "null"], "float64", [1.0, None]),
        (Kind.INTEGER, ["1", "2.0"], "float64", [1.0, 2.0]),
        (Kind.INTEGER, ["1", str(2**70)], "object", [1, 2**70]),
        (Kind.BOOLEAN, ["true", "false"], "bool", [True, False]),
        (Kind.BOOLEAN, ["true", "null"], "object", [True, None]),
        (Kind.BOOLEAN, ["true", '"false"', "1"], "object", [True, "false", 1]),
        (Kind.CATEGORY, ['"a"', "1"], "object", ["a", 1]),
        (None, ['"2024-02-29"', "null"], "object", ["2024-02-29", None]),
        (None, ["1", "2"], "int64", [1, 2]),
        (None, ["1", "2.5"], "object", [1, 2.5]),
        (None, ["null", "2"], "object", [None, 2]),
    ],
)
def test_kinds(
    tmp_path: Path, kind: Kind | None, texts: list[str], form: str, expected: list[Any]
) -> None:
    found = plain(column(tmp_path, kind, *texts))
    assert found.dtype == form
    assert cells(found) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NaN", "is not a number"),
        ("Infinity", "is not a finite number"),
        ("-Infinity", "is not a finite number"),
        ("1e400", "is not a finite number"),
    ],
)
@pytest.mark.parametrize("beside", ["1", '"one"'])
def test_nan_in_text_is_not_missing(tmp_path: Path, text: str, problem: str, beside: str) -> None:
    found = column(tmp_path, Kind.NUMBER, "null", text, beside)
    _, problems = Feature("x", Kind.NUMBER, nullable=True).encode_column(found)
    assert problems[1] == problem
    assert 0 not in problems


def test_infinity_is_kept(tmp_path: Path) -> None:
    assert cells(column(tmp_path, Kind.NUMBER, "Infinity", "true"))[0] == inf


def test_columns_are_the_keys_of_all_rows_near_the_beginning(tmp_path: Path) -> None:
    path = lines_file(tmp_path, '\ufeff{"x": 1}\n{"y": 2, "x": 3}\n{}\n{"ü": null}\n')
    source = JsonLinesSource(path)
    assert source.columns == ("x", "y", "ü")
    kinds = {"ü": None, "y": Kind.NUMBER, "x": Kind.INTEGER}
    assert read_all(source, kinds, WHOLE) == {
        "ü": [None] * 4,
        "y": [None, 2.0, None, None],
        "x": [1.0, 3.0, None, None],
    }
    (chunk,) = source.plan(WHOLE)
    with pytest.raises(InvalidData, match="has no column 'z'"):
        source.read(chunk, {"z": None})


@pytest.mark.parametrize("size", [1, WHOLE])
@pytest.mark.parametrize(
    "twice",
    [
        '{"x": 2, "x": 2}',
        '{"x": null, "y": 2, "x": 2}',
        '{"x": 2, "\\u0078": {}}',
        '{"x": 2, "j": [{"a": {"b": 1, "b": 2}}]}',
    ],
)
def test_a_row_with_a_key_twice_is_a_violation(tmp_path: Path, twice: str, size: int) -> None:
    lines = f'{{"x": 1, "j": 0}}\n{twice}\n{{"x": 3, "j": {{}}}}\n'
    source = JsonLinesSource(lines_file(tmp_path, lines))
    table = Table.concat(
        [source.read(chunk, {"x": Kind.NUMBER, "j": None}) for chunk in source.plan(size)]
    )
    assert table.faults == (Violation(1, "", "has a field twice", "each field once"),)
    assert contents(table[np.array([0, 2])]) == {"x": [1.0, 3.0], "j": [0, {}]}


@pytest.mark.parametrize("size", [1, WHOLE])
def test_a_key_twice_that_is_not_read_does_not_matter(tmp_path: Path, size: int) -> None:
    path = lines_file(tmp_path, '{"x": true, "y": 1, "y": 2}\n{"x": 3, "y": {"a": 1, "a": 2}}\n')
    assert read_all(JsonLinesSource(path), {"x": Kind.NUMBER}, size) == {"x": [True, 3.0]}


def test_unrequested_keys_may_hold_anything(tmp_path: Path) -> None:
    path = lines_file(tmp_path, '{"j": [{"a": 1}], "x": 1}\n{"j": "\\ud83d\\ude00", "x": 2}\n')
    assert read_all(JsonLinesSource(path), {"x": Kind.NUMBER}, WHOLE) == {"x": [1.0, 2.0]}


@pytest.mark.parametrize("content", ["", "\ufeff", "\n \n", "  "])
def test_an_empty_file_has_no_rows_and_no_columns(tmp_path: Path, content: str) -> None:
    source = JsonLinesSource(lines_file(tmp_path, content))
    assert (source.is_empty, source.columns, source.version.rows) == (True, (), 0)
    assert list(source.plan(WHOLE)) == []


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ('{"x": 1', "not JSON"),
        ('{"x": 01}', "not JSON"),
        ('{"x": 1} {"x": 2}', "not JSON: Extra data"),
        ('{"x": 1}{"x": 2}', "not JSON: Extra data"),
        ("x,y", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("5", "not a JSON object"),
        ('{"x": "\\ud800"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_is_not_an_object_is_a_violation(
    tmp_path: Path, bad: str, problem: str
) -> None:
    source = JsonLinesSource(lines_file(tmp_path, f'{{"x": 1}}\n\n{bad}\n{{"x": 4}}\n'))
    assert source.version.rows == 3
    (chunk,) = source.plan(WHOLE)
    table = source.read(chunk, {"x": Kind.NUMBER})
    (fault,) = table.faults
    assert (fault.row, fault.field, fault.allowed) == (1, "", "a JSON object")
    assert f"is {problem}" in fault.problem
    assert len(fault.problem) < 100, "the data are not repeated"
    assert contents(table[np.array([0, 2])]) == {"x": [1.0, 4.0]}


def test_a_file_without_objects_at_its_beginning_is_refused(tmp_path: Path) -> None:
    source = JsonLinesSource(lines_file(tmp_path, "x,y\n1,2\n"))
    with pytest.raises(UnreadableData, match=r"blocks\.jsonl: row 1 is not JSON: Expecting value"):
        _ = source.columns


def test_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    source = JsonLinesSource(lines_file(tmp_path, b'{"x": 1}\n{"x": "caf\xe9"}\n'))
    with pytest.raises(UnreadableData, match="line 2: not UTF-8: byte 0xE9 at offset 19"):
        _ = source.version
    with pytest.raises(UnreadableData, match=r"blocks\.jsonl, line 2: not"):
        _ = source.columns


def test_a_line_longer_than_the_blocks_it_is_read_in(tmp_path: Path) -> None:
    path = lines_file(tmp_path, '{"x": 1, "y": "' + "y" * 9_000_000 + '"}\n{"x": 2}\n')
    assert read_all(JsonLinesSource(path), {"x": Kind.NUMBER}, 1) == {"x": [1.0, 2.0]}


def test_a_missing_or_changed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        _ = JsonLinesSource(tmp_path / "nothing.jsonl").version
    source = JsonLinesSource(lines_file(tmp_path, '{"x": 1}\n'))
    (chunk,) = source.plan(1)
    _ = source.columns
    lines_file(tmp_path, '{"x": 1}\n{"x": 2}\n')
    with pytest.raises(ChecksumMismatch, match=r"blocks\.jsonl was changed"):
        source.read(chunk, {"x": Kind.NUMBER})
