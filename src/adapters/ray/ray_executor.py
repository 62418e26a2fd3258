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

from adapters.ordered_results import in_order
from adapters.ray.cluster import LOCAL, cores, head_answers, joined
from adapters.ray.worker_task import Sent
from application.ports import Item, Result
from domain.errors import Unavailable

_RETRIES = 3
_IMPORT_FAILED = "The remote function failed to import"  # all that Ray says of it
_CANCEL_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0
_HEADLESS_SECONDS = 20.0  # after 60, Ray ends the process itself, and nobody is told how to go on


@dataclass(frozen=True)
class RayExecutor:
    """An `Executor` that gives each item one core of a cluster.

    `address` is as `joined` has it. The task is put into the object store once, and each worker
    process fetches it once. Where a worker or its machine is lost, what it was at goes to another.
    Where no machine with a core has been there for `patience` seconds, it is given up; a head that
    does not answer is given 20 at most.
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
            patience = _Patience(self.patience)
            try:
                yield from in_order(calls.begin, items, at_once, patience)
            except RayError as error:
                raise _meaning(error) from error
            finally:
                # Without a head nobody tells what has become of them; Ray ends the process soon.
                calls.cancel(0.0 if patience.headless_since else _CANCEL_SECONDS)


@dataclass
class _Patience:
    """Asked again and again while nothing ends: whether anybody is there who could work."""

    seconds: float
    coreless_since: float | None = None
    headless_since: float | None = None

    def __call__(self) -> None:
        """Look at the cluster.

        Raises:
            Unavailable: for too long its head has not answered, or none of its nodes has had a
                core.
        """
        now = monotonic()
        if not head_answers():
            self.headless_since = self.headless_since or now
            self._require_sooner(
                self.headless_since,
                min(self.seconds, _HEADLESS_SECONDS),
                "has no head that answers",
            )
            return
        self.headless_since = None
        self.coreless_since = None if cores() else self.coreless_since or now
        if self.coreless_since is not None:
            self._require_sooner(self.coreless_since, self.seconds, "has no node with a core")

    def _require_sooner(self, since: float, seconds: float, what: str) -> None:
        if monotonic() - since >= seconds:
            raise Unavailable(
                f"the Ray cluster {what}, for {seconds:.0f} seconds now; mend it and run the same "
                f"again, or on another engine: what is finished is kept"
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

    def cancel(self, seconds: float) -> None:
        """Let nothing go on, and wait for that: what waits is dropped, what runs interrupted."""
        for reference in [*self.under_way.values()]:
            with suppress(RayError):
                ray.cancel(reference)
        wait([*self.under_way], seconds)
