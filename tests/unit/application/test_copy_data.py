import pytest

from adapters.memory import MemorySink
from application.copy_data import CopyData
from application.progress import Progress
from domain.errors import Unavailable
from domain.table import plain
from tests.unit.application.houses import columns, source


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


def test_a_copy_that_fails_is_not_seen() -> None:
    sink = MemorySink(fail_after=0)
    with pytest.raises(Unavailable):
        CopyData()(source(), sink)
    assert sink.tables == {}
