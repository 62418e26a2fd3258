import pytest

from application.data.copy_data import CopyData
from application.scoring.progress import Progress
from domain.data.table import Table, plain
from domain.errors import Unavailable, UnreadableData, Violation
from tests.fakes.data import MemorySink, MemorySource
from tests.support.houses import columns, source


def test_every_row_and_column_is_copied_as_it_stands() -> None:
    sink, told = MemorySink(), list[Progress]()
    place = CopyData()(source(), sink, told.append)
    ((job, table),) = sink.tables.items()
    assert place == f"memory:{job}"
    assert list(table.columns) == ["age", "rooms", "place", "price"]
    for name, column in columns().items():
        assert repr(plain(table.column(name)).tolist()) == repr(plain(column).tolist())
    assert told == [Progress(60, 60)]
    assert sink.rejects[job] == []


def test_a_row_that_is_none_cannot_be_copied() -> None:
    fault = Violation(7, "", "has 2 cells", "4 cells")
    sink, table = MemorySink(), source().table
    with pytest.raises(UnreadableData, match="row 8 has 2 cells; allowed: 4 cells"):
        CopyData()(MemorySource(Table(table.columns, len(table), (fault,))), sink)
    assert sink.tables == {}


def test_a_copy_that_fails_is_not_seen() -> None:
    sink = MemorySink(fail_after=0)
    with pytest.raises(Unavailable):
        CopyData()(source(), sink)
    assert sink.tables == {}
