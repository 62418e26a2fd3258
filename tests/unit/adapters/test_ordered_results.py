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
    """Work that ends in an order of the test's choice, at the latest when it must."""

    data: st.DataObject
    fails: frozenset[int]
    at_once: int
    begun: list[int] = field(default_factory=list)
    under_way: dict[int, Future[int]] = field(default_factory=dict)
    failed: bool = False

    def submit(self, item: int) -> "Future[int]":
        assert not self.failed, "nothing is begun after a failure"
        self.begun.append(item)
        future: Future[int] = Future()
        self.under_way[item] = future
        assert len(self.under_way) <= self.at_once
        must = len(self.under_way) == self.at_once
        self._end(self.data.draw(st.integers(int(must), len(self.under_way))))
        return future

    def items(self, count: int) -> Iterator[int]:
        yield from range(count)
        self._end(len(self.under_way))

    def _end(self, count: int) -> None:
        for _ in range(count):
            item = self.data.draw(st.sampled_from([*self.under_way]))
            future = self.under_way.pop(item)
            if item in self.fails:
                self.failed = True
                future.set_exception(InvalidData(f"item {item}"))
            else:
                future.set_result(10 * item)
        if self.failed and count:
            self.fails, rest = frozenset(), len(self.under_way)
            self._end(rest)


@given(st.integers(0, 12), st.integers(1, 4), st.data())
def test_results_come_in_order_in_whatever_order_the_work_ends(
    count: int, at_once: int, data: st.DataObject
) -> None:
    workers = Workers(data, frozenset(), at_once)
    found = list(in_order(workers.submit, workers.items(count), at_once))
    assert found == [10 * item for item in range(count)]
    assert workers.begun == list(range(count))


@given(st.integers(1, 12), st.integers(1, 4), st.data())
def test_an_error_is_raised_at_its_turn(count: int, at_once: int, data: st.DataObject) -> None:
    failing = data.draw(st.integers(0, count - 1))
    workers = Workers(data, frozenset({failing}), at_once)
    results = in_order(workers.submit, workers.items(count), at_once)
    found = [next(results) for _ in range(failing)]
    assert found == [10 * item for item in range(failing)]
    with pytest.raises(InvalidData, match=f"item {failing}$"):
        next(results)


def test_items_are_taken_only_as_far_ahead_as_work_may_be_begun() -> None:
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


def test_who_waits_is_asked_whether_it_makes_sense() -> None:
    begun: list[Future[int]] = []

    def submit(item: int) -> "Future[int]":
        begun.append(Future())
        return begun[-1]

    def waiting() -> None:
        if begun[0].done():
            raise InvalidData("nobody comes")
        begun[0].set_result(7)

    results = in_order(submit, range(3), 2, waiting, 0.01)
    assert next(results) == 7
    with pytest.raises(InvalidData, match="nobody comes"):
        next(results)
