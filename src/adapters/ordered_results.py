"""Working on many items side by side and giving the results in order: what executors share."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice

from application.ports import Item, Result


def in_order(
    submit: Callable[[Item], "Future[Result]"],
    items: Iterable[Item],
    at_once: int,
    waiting: Callable[[], None] | None = None,
    seconds: float = 1.0,
) -> Generator[Result]:
    """Yield the result of each item in order; at most `at_once` are unfinished at any time.

    A slow item holds up none behind it: their results wait. When one has failed nothing more is
    begun, and its error is raised at its turn. `waiting` is called whenever nothing has
    ended for so many seconds; it may raise.
    """
    upcoming, failed = iter(items), False
    futures: deque[Future[Result]] = deque()
    unfinished: set[Future[Result]] = set()
    while True:
        while not failed and len(unfinished) < at_once and (taken := [*islice(upcoming, 1)]):
            futures.append(submit(taken[0]))
            unfinished.add(futures[-1])
            failed = _any_failed(unfinished)
        if not futures:
            return
        while futures and futures[0].done():
            yield futures.popleft().result()
        done, unfinished = wait(unfinished, waiting and seconds, FIRST_COMPLETED)
        if waiting is not None and not done:
            waiting()
        failed = failed or _any_failed(done)


def _any_failed(futures: Iterable["Future[Result]"]) -> bool:
    return any(future.done() and future.exception() is not None for future in futures)
