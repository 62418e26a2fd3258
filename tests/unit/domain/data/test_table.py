import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.table import Coded, Column, Table, plain
from domain.errors import InvalidData, Violation
from tests.support.strategies import objects


def _coded(codes: list[int]) -> Coded:
    return Coded(np.array(codes, dtype=np.int32), ("x", "y"))


@st.composite
def tables(draw: st.DrawFn, rows: int | None = None) -> Table:
    count = draw(st.integers(0, 8)) if rows is None else rows

    def column(cell: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(cell, min_size=count, max_size=count))

    columns: dict[str, Column] = {
        "number": np.array(column(st.floats()), dtype=np.float64),
        "whole": np.array(column(st.integers(-5, 5)), dtype=np.int64),
        "flag": np.array(column(st.booleans()), dtype=np.bool_),
        "text": objects(column(st.none() | st.text(max_size=3))),
        "coded": _coded(column(st.integers(-1, 1))),
    }
    return Table(columns, count)


def _cells(table: Table) -> dict[str, list[Any]]:
    return {name: [repr(v) for v in plain(c).tolist()] for name, c in table.columns.items()}


def test_a_coded_column_decodes_to_its_texts_and_none() -> None:
    assert _coded([1, -1, 0, 1]).decoded().tolist() == ["y", None, "x", "y"]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"column 'b' has 1 rows where the table has 2"):
        Table.of({"a": np.zeros(2), "b": np.zeros(1)})


def test_a_table_without_columns_has_no_rows_unless_told() -> None:
    assert (len(Table.of({})), len(Table({}, 3))) == (0, 3)


def test_columns_cannot_be_exchanged() -> None:
    columns: dict[str, Column] = {"a": np.zeros(2)}
    table = Table.of(columns)
    columns["b"] = np.zeros(2)
    assert list(table.columns) == ["a"]
    with pytest.raises(TypeError):
        table.columns["a"] = np.ones(2)  # type: ignore[index]  # what is shown to be refused


def test_an_unknown_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(InvalidData, match=r"no column 'c'; the table has a, b"):
        Table.of({"a": np.zeros(1), "b": np.zeros(1)}).column("c")


@given(tables(), st.slices(8))
def test_a_slice_takes_the_same_rows_of_every_column(table: Table, rows: slice) -> None:
    assert _cells(table[rows]) == {name: cells[rows] for name, cells in _cells(table).items()}
    assert len(table[rows]) == len(range(len(table))[rows])
    assert len(Table({}, len(table))[rows]) == len(table[rows])


@given(tables(), st.data())
def test_a_mask_and_the_positions_it_marks_take_the_same_rows(
    table: Table, data: st.DataObject
) -> None:
    marks = data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table)))
    mask = np.array(marks, dtype=np.bool_)
    assert _cells(table[mask]) == _cells(table[np.flatnonzero(mask)])
    assert len(table[mask]) == sum(marks)


@given(tables(), st.integers(1, 4))
def test_the_slices_of_a_table_stack_to_the_table(table: Table, size: int) -> None:
    parts = [table[start : start + size] for start in range(0, len(table), size)]
    stacked = Table.concat(parts)
    assert len(stacked) == len(table)
    assert _cells(stacked) == (_cells(table) if parts else {})


def test_stacking_keeps_values_where_the_types_of_columns_differ() -> None:
    parts = [Table.of({"a": np.array([1.5])}), Table.of({"a": objects(["n/a"])})]
    assert plain(Table.concat(parts).column("a")).tolist() == [1.5, "n/a"]


def test_tables_of_different_columns_are_not_stacked() -> None:
    with pytest.raises(InvalidData, match=r"different columns cannot be stacked: a; b"):
        Table.concat([Table.of({"a": np.zeros(1)}), Table.of({"b": np.zeros(1)})])


@given(tables())
def test_a_table_survives_pickling(table: Table) -> None:
    copy = pickle.loads(pickle.dumps(table))
    assert (_cells(copy), len(copy)) == (_cells(table), len(table))
    assert type(copy.columns) is type(table.columns)


def faulty() -> Table:
    faults = tuple(Violation(row, "", "has 2 cells", "3 cells") for row in (1, 3))
    return Table({"x": np.arange(4.0)}, 4, faults)


def test_the_faults_of_a_table_go_with_its_rows() -> None:
    table = faulty()
    assert [fault.row for fault in table[1:].faults] == [0, 2]
    assert [fault.row for fault in table[np.array([3, 0])].faults] == [0]
    assert [fault.row for fault in table[np.array([True, False, True, False])].faults] == []
    assert [fault.row for fault in Table.concat([table, table]).faults] == [1, 3, 5, 7]
    assert pickle.loads(pickle.dumps(table)).faults == table.faults
