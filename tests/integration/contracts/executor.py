"""The contract of every executor. A subclass provides the fixture `executor`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from application.ports import Executor
from domain.errors import InvalidData, InvalidRows, ModelportError, Unavailable, Violation

_ROWS = InvalidRows([Violation(3, "age", "is missing", "an integer (years)")], 17)
ERRORS: dict[str, Exception] = {
    "invalid data": InvalidData("what.csv, line 3: 4 cells where the header has 9"),
    "invalid rows": _ROWS,
    "unavailable": Unavailable("the disk is full"),
    "a bug": ZeroDivisionError("division by zero"),
}


@dataclass(frozen=True, slots=True)
class Spell:
    """When a task ran, on the clock of the machine."""

    item: int
    begin: float
    end: float


@dataclass(frozen=True)
class Work:
    """A slow task that creates a file in a folder when it is done.

    The first item takes longest; `failing` ones raise an error at once.
    """

    folder: Path
    error: str = "invalid data"
    failing: frozenset[int] = frozenset()
    seconds: float = 0.01

    def __call__(self, item: int) -> Spell:
        begin = time.monotonic()
        if item in self.failing:
            raise ERRORS[self.error]
        time.sleep(self.seconds * (1 if item else 5))
        (self.folder / str(item)).touch()
        return Spell(item, begin, time.monotonic())

    @property
    def done(self) -> set[int]:
        return {int(mark.name) for mark in self.folder.iterdir()}


def most_at_once(spells: list[Spell]) -> int:
    return max(sum(s.begin <= at.begin < s.end for s in spells) for at in spells)


class ExecutorContract:
    @pytest.mark.parametrize("workers", [1, 2, None])
    def test_results_are_in_the_order_of_the_items(
        self, executor: Executor, tmp_path: Path, workers: int | None
    ) -> None:
        spells = list(executor.map(Work(tmp_path), range(9), workers))
        assert [spell.item for spell in spells] == list(range(9))
        assert Work(tmp_path).done == set(range(9))

    @pytest.mark.parametrize("workers", [1, 2])
    def test_at_most_workers_items_run_at_once(
        self, executor: Executor, tmp_path: Path, workers: int
    ) -> None:
        spells = list(executor.map(Work(tmp_path), range(8), workers))
        assert most_at_once(spells) <= workers

    def test_without_items_there_are_no_results(self, executor: Executor, tmp_path: Path) -> None:
        assert list(executor.map(Work(tmp_path), [], 2)) == []

    def test_items_are_taken_on_demand(self, executor: Executor, tmp_path: Path) -> None:
        taken: list[int] = []

        def items() -> Iterator[int]:
            for item in count():
                taken.append(item)
                yield item

        results = executor.map(Work(tmp_path, seconds=0.05), items(), 2)
        assert taken == [], "nothing is begun before the first result is asked for"
        for _ in range(3):
            next(results)
        assert len(taken) < 30
        results.close()

    @pytest.mark.parametrize("error", ERRORS)
    def test_an_error_is_raised_unchanged_after_the_results_before_it(
        self, executor: Executor, tmp_path: Path, error: str
    ) -> None:
        results = executor.map(Work(tmp_path, error, frozenset({2, 3})), range(40), 2)
        assert [next(results).item, next(results).item] == [0, 1]
        with pytest.raises(type(ERRORS[error])) as raised:
            next(results)
        assert str(raised.value) == str(ERRORS[error])
        assert isinstance(raised.value, ModelportError) == (error != "a bug")
        if isinstance(raised.value, InvalidRows):
            assert raised.value.violations == _ROWS.violations
            assert raised.value.count == 17

    def test_after_an_error_nothing_is_running(self, executor: Executor, tmp_path: Path) -> None:
        work = Work(tmp_path, failing=frozenset({1}), seconds=0.1)
        with pytest.raises(InvalidData):
            list(executor.map(work, range(40), 2))
        self._require_rest(work)

    def test_closing_the_results_stops_the_work(self, executor: Executor, tmp_path: Path) -> None:
        work = Work(tmp_path, seconds=0.1)
        results = executor.map(work, range(40), 2)
        next(results)
        results.close()
        self._require_rest(work)

    def test_an_error_of_the_items_is_raised(self, executor: Executor, tmp_path: Path) -> None:
        def items() -> Iterator[int]:
            yield from range(3)
            raise Unavailable("the file was taken away")

        work = Work(tmp_path)
        with pytest.raises(Unavailable, match="taken away"):
            list(executor.map(work, items(), 2))
        self._require_rest(work)

    @staticmethod
    def _require_rest(work: Work) -> None:
        done = work.done
        time.sleep(4 * work.seconds)
        assert work.done == done
        assert len(done) < 20
