"""The port that runs the tasks of a batch job."""

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs the tasks of a batch job: on threads, in processes, or on a cluster."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        """Yield the result of the task for each item, in the order of the items.

        At most `workers` items are processed at the same time (None: one per core). Items are taken
        from the iterable on demand, a few in advance. Task, items and results are picklable, and
        results are small. An item may be processed again if its worker is lost, so a task must be
        idempotent.

        The first error, in the order of the items, is raised unchanged, after the results before
        it. After an error, and when the generator is closed, no item is begun, and no item is still
        running.

        Raises:
            Unavailable: the workers cannot be reached, or are lost repeatedly.
        """
        ...
