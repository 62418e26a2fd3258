"""The port that runs the tasks of a batch."""

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


Result = TypeVar("Result")


class Executor(Protocol):
    """Where the tasks of a batch run: on the threads of a process, or on many machines."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        """Yield what a task returns for each item, in the order of the items.

        At most `workers` items are worked on at once (None: one per core). Items are taken when
        they are needed, a few ahead; results are small, and wait for their turn. The task, the
        items and the results are picklable. A task may be run again for an item where a worker
        was lost, so it must leave the same as if it had run once.

        The first error in the order of the items is raised as it is, after the results before it.
        Then, and when the generator is closed, nothing more is begun, and nothing that was begun
        is left running.

        Raises:
            Unavailable: the workers cannot be reached, or are lost again and again.
        """
        ...
