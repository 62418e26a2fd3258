"""Runs tasks on the workers of a Ray cluster."""

import os
import socket
from collections.abc import Callable, Generator, Iterable, Sequence
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
from adapters.ray.cluster import LOCAL, connected, cores, first_line, head_answers
from application.ports import Item, Result
from domain.errors import NotFound, Unavailable

_RETRIES = 3
_IMPORT_FAILED = "The remote function failed to import"  # Ray's only sign of this error
_CANCEL_SECONDS = 60.0
_TIMEOUT_SECONDS = 300.0
_HEAD_TIMEOUT_SECONDS = 20.0  # after 60 Ray ends the process without a useful message

_loaded: dict[str, Callable[[Any], Any]] = {}  # in a worker process


@dataclass(frozen=True)
class RayExecutor:
    """An `Executor` that runs each item on one core of a cluster.

    `address` is that of `connected`. The task is stored in the object store once; each worker
    process fetches it once. If a worker or its machine is lost, its items run again elsewhere. The
    job fails if the cluster has no core for `timeout` seconds, or its head does not answer for 20.
    """

    address: str = LOCAL
    timeout: float = _TIMEOUT_SECONDS

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        with connected(self.address, workers):
            remote = WorkerTask(uuid4().hex, [ray.put(task)], Path.cwd())
            # Without a limit two items per core, so that no core waits for its next item.
            max_unfinished = workers or 2 * max(1, cores())
            calls = _Calls(ray.remote(max_retries=_RETRIES)(_run), remote)
            check = _ClusterCheck(self.timeout)
            try:
                yield from in_order(calls.submit, items, max_unfinished, check)
            except RayError as error:
                raise _cause(error) from error
            finally:
                # Without a head Ray cannot confirm the end of calls, and soon ends the process.
                calls.cancel(0.0 if check.headless_since else _CANCEL_SECONDS)


@dataclass
class _ClusterCheck:
    """Checks, while no item finishes, that the cluster can still work."""

    timeout: float
    coreless_since: float | None = None
    headless_since: float | None = None

    def __call__(self) -> None:
        """Check head and cores.

        Raises:
            Unavailable: the head has not answered, or no node has had a core, until the timeout.
        """
        now = monotonic()
        if not head_answers():
            self.headless_since = self.headless_since or now
            timeout = min(self.timeout, _HEAD_TIMEOUT_SECONDS)
            self._require_recent(self.headless_since, timeout, "has no head that answers")
            return
        self.headless_since = None
        self.coreless_since = None if cores() else self.coreless_since or now
        if self.coreless_since is not None:
            self._require_recent(self.coreless_since, self.timeout, "has no node with a core")

    def _require_recent(self, since: float, timeout: float, problem: str) -> None:
        if monotonic() - since >= timeout:
            raise Unavailable(
                f"the Ray cluster {problem}, for {timeout:.0f} seconds now; repair it and run the "
                f"same again, or use another engine: finished chunks are kept"
            )


def _cause(error: RayError) -> BaseException:
    """Return the error of the task; if the task did not run, what happened to the worker."""
    if not isinstance(error, RayTaskError):
        return Unavailable(
            f"Ray has lost a worker for the same item {_RETRIES + 1} times, or permanently "
            f"({type(error).__name__}): {first_line(error)}"
        )
    cause: BaseException = error.cause
    if isinstance(cause, RayError | ImportError) or _IMPORT_FAILED in str(cause):
        return Unavailable(
            f"a worker of the Ray cluster cannot load the task; its machine needs the same release "
            f"of modelport and its libraries: {first_line(cause)}"
        )
    return cause


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """A reference to a task in the object store; `folder` is the driver's working directory."""

    key: str
    task: Sequence["ray.ObjectRef[Any]"]
    folder: Path

    def __call__(self, item: Any) -> Any:
        """Run the task for an item. A process fetches the task only once."""
        if self.key not in _loaded:
            _loaded.clear()
            _change_folder(self.folder)
            _loaded[self.key] = ray.get(self.task[0])
        try:
            return _loaded[self.key](item)
        except NotFound as error:
            raise NotFound(
                f"{error} on {socket.gethostname()}; what a job reads must be "
                f"on storage that all machines of the cluster share"
            ) from error


def _run(task: WorkerTask, item: Any) -> Any:
    return task(item)


def _change_folder(folder: Path) -> None:
    """Make relative paths mean the same as on the driver."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise Unavailable(
            f"{folder} does not exist on {socket.gethostname()} ({error.strerror}); start the job "
            f"in a folder that all machines of the cluster share"
        ) from error


@dataclass(frozen=True)
class _Calls:
    """The unfinished calls of a remote function."""

    function: Any
    task: WorkerTask
    unfinished: "dict[Future[Any], ray.ObjectRef[Any]]" = field(default_factory=dict)

    def submit(self, item: Any) -> "Future[Any]":
        reference = self.function.remote(self.task, item)
        future: Future[Any] = reference.future()
        self.unfinished[future] = reference
        future.add_done_callback(lambda done: self.unfinished.pop(done, None))
        return future

    def cancel(self, timeout: float) -> None:
        """Cancel waiting calls, interrupt running ones, and wait for their end."""
        for reference in [*self.unfinished.values()]:
            with suppress(RayError):
                ray.cancel(reference)
        wait([*self.unfinished], timeout)
