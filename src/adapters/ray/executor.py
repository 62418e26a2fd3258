"""Runs tasks on the workers of a Ray cluster."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError, RayTaskError

from adapters.ray.cluster import LOCAL, cores, joined
from adapters.ray.work import Sent
from application.in_order import in_order
from application.ports import Item, Result
from domain.errors import Unavailable

_RETRIES = 3
_IMPORT_FAILED = "The remote function failed to import"  # all that Ray says of it
_CANCEL_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class RayExecutor:
    """An `Executor` that gives each item one core of a cluster.

    `address` is as `joined` has it. The task is put into the object store once, and each worker
    process fetches it once. Where a worker or its machine is lost, what it was at goes to another.
    Where no machine with a core has been there for `patience` seconds, it is given up.
    """

    address: str = LOCAL
    patience: float = _PATIENCE_SECONDS

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        with joined(self.address, workers):
            sent = Sent(uuid4().hex, [ray.put(task)], Path.cwd())
            # Where the cores set the limit, one more for each: none waits for its next item.
            at_once = workers or 2 * max(1, cores())
            calls = _Calls(ray.remote(max_retries=_RETRIES)(_run), sent)
            try:
                yield from in_order(calls.begin, items, at_once, _Patience(self.patience))
            except RayError as error:
                raise _meaning(error) from error
            finally:
                calls.cancel()


@dataclass
class _Patience:
    """Asked again and again while nothing ends: whether anybody is there who could work."""

    seconds: float
    alone_since: float | None = None

    def __call__(self) -> None:
        """Look at the cluster.

        Raises:
            Unavailable: for too long, none of its nodes has had a core.
        """
        if cores():
            self.alone_since = None
            return
        now = monotonic()
        self.alone_since = self.alone_since or now
        if now - self.alone_since >= self.seconds:
            raise Unavailable(
                f"the Ray cluster has had no node with a core for {self.seconds:.0f} seconds; "
                f"start its nodes and run the same again, or on another engine: what is finished "
                f"is kept"
            )


def _meaning(error: RayError) -> BaseException:
    """Return what the task has raised; where it did not come to that, what has become of it."""
    if not isinstance(error, RayTaskError):
        return Unavailable(
            f"Ray has lost a worker at the same place {_RETRIES + 1} times, or for good "
            f"({type(error).__name__}): {_first_line(error)}"
        )
    cause: BaseException = error.cause
    if isinstance(cause, RayError | ImportError) or _IMPORT_FAILED in str(cause):
        return Unavailable(
            f"a worker of the Ray cluster cannot take the task, for which its machine needs the "
            f"same release of modelport and its libraries: {_first_line(cause)}"
        )
    return cause


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _run(sent: Sent, item: Any) -> Any:
    return sent(item)


@dataclass(frozen=True)
class _Calls:
    """What was begun on the cluster and is not finished."""

    function: Any
    sent: Sent
    under_way: "dict[Future[Any], ray.ObjectRef[Any]]" = field(default_factory=dict)

    def begin(self, item: Any) -> "Future[Any]":
        reference = self.function.remote(self.sent, item)
        future: Future[Any] = reference.future()
        self.under_way[future] = reference
        future.add_done_callback(lambda done: self.under_way.pop(done, None))
        return future

    def cancel(self) -> None:
        """Let nothing go on: what waits is dropped, what runs is interrupted."""
        for reference in [*self.under_way.values()]:
            with suppress(RayError):
                ray.cancel(reference)
        wait([*self.under_way], _CANCEL_SECONDS)
