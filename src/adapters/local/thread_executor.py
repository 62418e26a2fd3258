"""Runs tasks on the threads of this process."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

from adapters.ordered_results import in_order
from application.ports import Item, Result


@dataclass(frozen=True)
class ThreadExecutor:
    """An `Executor` for tasks that release the interpreter lock: reading, numpy, the model.

    Nothing is copied: all threads share one task.
    """

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        threads = workers or cpu_count() or 1
        pool = ThreadPoolExecutor(threads, "batch")
        try:
            # Two items per thread, so that no thread waits for its next item.
            yield from in_order(lambda item: pool.submit(task, item), items, 2 * threads)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
