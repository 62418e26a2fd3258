from threading import Event

import pytest

from application.scoring.background import beside
from domain.errors import Unavailable


def test_a_task_goes_on_beside_the_caller_and_is_waited_for() -> None:
    go = Event()

    def task() -> int:
        assert go.wait(30)
        return 7

    future = beside(task)
    assert not future.done()
    go.set()
    assert future.result(30) == 7


def test_its_error_reaches_who_waits() -> None:
    def task() -> int:
        raise Unavailable("it is away")

    with pytest.raises(Unavailable, match="it is away"):
        beside(task).result(30)
