"""Executors on the cores of this machine: threads, and processes for tasks that hold the GIL."""

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from os import cpu_count
from threading import Thread

from adapters.ordered_results import in_order
from application.ports import Item, Result
from domain.errors import Unavailable


@dataclass(frozen=True)
class ThreadExecutor:
    """An `Executor` for tasks that release the interpreter lock: reading, numpy, the model.

    Nothing is copied: all threads share one task. An interrupt ends `map` when the running tasks
    have ended, or at once if they may be abandoned.
    """

    may_abandon: bool = False

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        threads = workers or cpu_count() or 1
        pool, waits = ThreadPoolExecutor(threads, "batch"), True
        try:
            # Two items per thread, so that no thread waits for its next item.
            yield from in_order(lambda item: pool.submit(task, item), items, 2 * threads)
        except KeyboardInterrupt:
            waits = not self.may_abandon
            raise
        finally:
            pool.shutdown(waits, cancel_futures=True)


class ProcessExecutor:
    """An `Executor` that keeps its processes for later tasks, since they take seconds to start.

    They are spawned: a fork of a process with threads may deadlock. With one worker the task runs
    in this process. An interrupt ends `map` at once; the processes end with this one.
    """

    def __init__(self) -> None:
        self._pools: dict[int, ProcessPoolExecutor] = {}

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        count = workers or cpu_count() or 1
        if count == 1:
            yield from map(task, items)
            return
        pool = self._pools.pop(count, None) or _start_pool(count)
        completed, waits = False, True
        try:
            yield from in_order(lambda item: pool.submit(task, item), items, count)
            completed = True
        except BrokenProcessPool as error:
            raise Unavailable("a worker process ended before its task was done") from error
        except KeyboardInterrupt:
            waits = False
            raise
        finally:
            if completed:
                self._pools[count] = pool
            else:
                pool.shutdown(waits, cancel_futures=True)


def _start_pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=end_with_parent)


def end_with_parent() -> None:
    """End this process if its parent is killed; otherwise it would wait forever."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
