from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ordered_results import in_order
from domain.errors import InvalidData


@dataclass
class Workers:
    """Futures that finish in an order that the test draws."""

    data: st.DataObject
    fails: frozenset[int]
    max_unfinished: int
    submitted: list[int] = field(default_factory=list)
    unfinished: dict[int, Future[int]] = field(default_factory=dict)
    failed: bool = False

    def submit(self, item: int) -> "Future[int]":
        assert not self.failed, "nothing is submitted after a failure"
        self.submitted.append(item)
        future: Future[int] = Future()
        self.unfinished[item] = future
        assert len(self.unfinished) <= self.max_unfinished
        must = len(self.unfinished) == self.max_unfinished
        self._end(self.data.draw(st.integers(int(must), len(self.unfinished))))
        return future

    def items(self, count: int) -> Iterator[int]:
        yield from range(count)
        self._end(len(self.unfinished))

    def _end(self, count: int) -> None:
        for _ in range(count):
            item = self.data.draw(st.sampled_from([*self.unfinished]))
            future = self.unfinished.pop(item)
            if item in self.fails:
                self.failed = True
                future.set_exception(InvalidData(f"item {item}"))
            else:
                future.set_result(10 * item)
        if self.failed and count:
            self.fails, rest = frozenset(), len(self.unfinished)
            self._end(rest)


@given(st.integers(0, 12), st.integers(1, 4), st.data())
def test_results_are_in_the_order_of_the_items(
    count: int, max_unfinished: int, data: st.DataObject
) -> None:
    workers = Workers(data, frozenset(), max_unfinished)
    found = list(in_order(workers.submit, workers.items(count), max_unfinished))
    assert found == [10 * item for item in range(count)]
    assert workers.submitted == list(range(count))


@given(st.integers(1, 12), st.integers(1, 4), st.data())
def test_an_error_is_raised_in_its_turn(
    count: int, max_unfinished: int, data: st.DataObject
) -> None:
    failing = data.draw(st.integers(0, count - 1))
    workers = Workers(data, frozenset({failing}), max_unfinished)
    results = in_order(workers.submit, workers.items(count), max_unfinished)
    found = [next(results) for _ in range(failing)]
    assert found == [10 * item for item in range(failing)]
    with pytest.raises(InvalidData, match=f"item {failing}$"):
        next(results)


def test_items_are_taken_on_demand() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    def done(item: int) -> "Future[int]":
        future: Future[int] = Future()
        future.set_result(item)
        return future

    results = in_order(done, items(), 3)
    assert next(results) == 0
    assert taken == [0, 1, 2]


def test_the_check_runs_while_nothing_finishes() -> None:
    submitted: list[Future[int]] = []

    def submit(item: int) -> "Future[int]":
        submitted.append(Future())
        return submitted[-1]

    def check() -> None:
        if submitted[0].done():
            raise InvalidData("no workers")
        submitted[0].set_result(7)

    results = in_order(submit, range(3), 2, check, 0.01)
    assert next(results) == 7
    with pytest.raises(InvalidData, match="no workers"):
        next(results)
