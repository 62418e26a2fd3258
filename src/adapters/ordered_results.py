"""Concurrent work on many items with results in order, shared by the executors."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice

from application.ports import Item, Result


def in_order(
    submit: Callable[[Item], "Future[Result]"],
    items: Iterable[Item],
    max_unfinished: int,
    check: Callable[[], None] | None = None,
    seconds: float = 1.0,
) -> Generator[Result]:
    """Yield the results in the order of the items; at most `max_unfinished` are unfinished.

    A slow item does not delay the items after it, only their results. After an error no further
    item is submitted, and the error is raised in the order of the items. `check` is called whenever
    nothing has finished for `seconds`; it may raise.
    """
    upcoming, failed = iter(items), False
    futures: deque[Future[Result]] = deque()
    unfinished: set[Future[Result]] = set()
    while True:
        while not failed and len(unfinished) < max_unfinished and (item := [*islice(upcoming, 1)]):
            futures.append(submit(item[0]))
            unfinished.add(futures[-1])
            failed = _any_failed(unfinished)
        if not futures:
            return
        while futures and futures[0].done():
            yield futures.popleft().result()
        done, unfinished = wait(unfinished, check and seconds, FIRST_COMPLETED)
        if check is not None and not done:
            check()
        failed = failed or _any_failed(done)


def _any_failed(futures: Iterable["Future[Result]"]) -> bool:
    return any(future.done() and future.exception() is not None for future in futures)
