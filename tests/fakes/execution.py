from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from application.ports import Item, Result


class MemoryExecutor:
    """An `Executor` that takes `workers` items at a time and runs the last of them first."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        upcoming = iter(items)
        with ThreadPoolExecutor(1) as one_by_one:
            while taken := list(islice(upcoming, workers or 1)):
                begun = [one_by_one.submit(task, item) for item in reversed(taken)]
                for future in reversed(begun):
                    yield future.result()
