"""Doing something beside something else."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def beside(task: Callable[[], Result]) -> "Future[Result]":
    """Begin a task on a thread of its own, which does not keep the process from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits gets it
            future.set_exception(error)

    Thread(target=run, name="beside", daemon=True).start()
    return future
