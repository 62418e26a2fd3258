import numpy as np
import pytest

from application.data.labelled_rows import check_labelled, read_labelled
from domain.data.dataset import DatasetVersion
from domain.data.split import Split
from domain.data.table import Coded, Column, Table, plain
from domain.errors import InvalidData, InvalidRows
from tests.fakes.data import MemorySource
from tests.support.houses import SCHEMA, columns, source, without
from tests.support.strategies import objects


def _large(rows: int, place: Column) -> MemorySource:
    """Return more rows than are read at once, whose version takes no time to tell."""
    table = Table.of(
        {
            "age": np.full(rows, 3.0),
            "rooms": np.full(rows, 2),
            "place": place,
            "price": np.arange(float(rows)),
        }
    )
    return MemorySource(table, DatasetVersion("large", "a" * 64, rows))


def test_rows_come_as_vectors_in_the_order_of_the_source() -> None:
    rows = read_labelled(source(), SCHEMA)
    assert len(rows) == 60
    assert rows.matrix[:, 1].tolist() == plain(columns()["rooms"]).tolist()
    assert rows.target.tolist() == plain(columns()["price"]).tolist()


def test_rows_are_divided_into_what_is_learnt_from_and_what_is_judged_by() -> None:
    rows = read_labelled(source(), SCHEMA)
    divided = rows.divide(Split(0.25, 3))
    assert (len(divided.training), len(divided.holdout)) == (45, 15)
    together = [*divided.training.target.tolist(), *divided.holdout.target.tolist()]
    assert sorted(together) == sorted(rows.target.tolist())


def test_a_bad_row_far_down_is_counted_from_the_first() -> None:
    codes = np.zeros(300_000, dtype=np.int32)
    codes[[5, 299_998]] = 1
    data = _large(300_000, Coded(codes, ("sea", "moon")))
    check = check_labelled(data, SCHEMA)
    assert (check.rows, check.rejected) == (300_000, 2)
    assert [violation.row for violation in check.violations] == [6, 299_999]
    with pytest.raises(InvalidRows, match=r"row 299999, place"):
        read_labelled(data, SCHEMA)


def test_of_masses_of_bad_rows_all_are_counted_and_the_first_thousand_kept() -> None:
    data = _large(300_000, Coded(np.ones(300_000, dtype=np.int32), ("sea", "moon")))
    check = check_labelled(data, SCHEMA)
    assert (check.rejected, len(check.violations)) == (300_000, 1000)
    assert list(check.faults.values()) == [300_000]
    with pytest.raises(InvalidRows, match=r"^300,000 fields break the schema"):
        read_labelled(data, SCHEMA)


def test_sound_rows_are_read_across_chunks() -> None:
    data = _large(300_000, Coded(np.zeros(300_000, dtype=np.int32), ("sea",)))
    assert read_labelled(data, SCHEMA).target.tolist() == list(range(300_000))


def test_a_check_counts_rows_and_names_every_fault_in_order() -> None:
    rooms, price = (objects(plain(columns()[name]).tolist()) for name in ("rooms", "price"))
    rooms[3], rooms[9], price[3] = 0, "many", None
    check = check_labelled(source(changed={"rooms": rooms, "price": price}), SCHEMA)
    assert (check.rows, check.rejected) == (60, 2)
    assert [(v.row, v.field, v.problem) for v in check.violations] == [
        (4, "rooms", "is out of range"),
        (4, "price", "is missing"),
        (10, "rooms", "is not a number"),
    ]


def test_a_check_of_sound_data_finds_nothing() -> None:
    check = check_labelled(source(), SCHEMA)
    assert (check.rows, check.rejected, check.violations) == (60, 0, ())


@pytest.mark.parametrize("name", ["price", "rooms"])
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(InvalidData, match=f"no column '{name}'"):
        check_labelled(without(name), SCHEMA)


def test_a_header_alone_is_nothing_to_learn_from_but_no_fault_of_a_row() -> None:
    assert check_labelled(source(0), SCHEMA).rows == 0
    with pytest.raises(InvalidData, match=r"^houses\.csv: there are no rows$"):
        read_labelled(source(0), SCHEMA)
