"""Explanations of a server: few at once, each on a thread, stopped when its caller leaves.

They have their own threads, so that nothing else waits for them, and their own limit. The threads
wait for a child process most of the time (see `ProcessExplainers`).
"""

import asyncio
import logging
from asyncio import FIRST_COMPLETED, ensure_future, wait, wrap_future
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, TypeAlias, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from application.scoring.explain_rows import ExplainRows
from domain.errors import ModelportError, NotSupported
from entrypoints.http.middleware.admission import unavailable

log = logging.getLogger("modelport")

_WAIT_SECONDS = 0.2

_Result = TypeVar("_Result")

# Raises an error if the result is no longer wanted.
RequireWanted: TypeAlias = Callable[[], None]


@dataclass
class Explaining:
    """Runs explanations, `limit` at once; lives on one event loop."""

    explain: Callable[[], ExplainRows]
    limit: int
    in_flight: int = field(default=0, init=False)

    async def await_capacity(self) -> None:
        """Wait a moment until one more request may be explained.

        A caller who was refused at once and asks again at once would delay everything else.

        Raises:
            HTTPException: the limit is still reached.
        """
        if self.in_flight >= self.limit:
            await asyncio.sleep(_WAIT_SECONDS)
        self.require_capacity()

    def require_capacity(self) -> None:
        """Check that one more request may be explained.

        Raises:
            HTTPException: the limit is reached.
        """
        if self.in_flight >= self.limit:
            detail = f"the server is full; allowed: {self.limit} explanations at once"
            raise unavailable("explanations_full", detail)

    async def run(self, task: Callable[[RequireWanted], _Result], receive: Receive) -> _Result:
        """Return the result of a task on a thread of its own; the caller's body is received.

        Raises:
            HTTPException: the limit is reached.
            ClientDisconnect: the caller has disconnected; the task is told at its next check.
        """
        self.require_capacity()
        left = Event()

        def require_wanted() -> None:
            if left.is_set():
                raise ClientDisconnect

        job = wrap_future(_on_thread(lambda: task(require_wanted)))
        self.in_flight += 1
        job.add_done_callback(self._done)
        leaving = ensure_future(_until_disconnected(receive))
        try:
            await wait((job, leaving), return_when=FIRST_COMPLETED)
            if job.done():
                return job.result()
            raise ClientDisconnect
        finally:
            left.set()
            leaving.cancel()

    def warm_up(self, record: Mapping[str, Any]) -> None:
        """Explain a record on a thread, so that the first request finds everything loaded."""
        Thread(target=self._explain_once, args=(record,), daemon=True).start()

    def _explain_once(self, record: Mapping[str, Any]) -> None:
        try:
            self.explain()([record])
        except NotSupported:
            pass  # /explain says so
        except ModelportError as error:
            log.warning("explanations are not ready: %s", error)

    def _done(self, job: "asyncio.Future[Any]") -> None:
        self.in_flight -= 1
        job.exception()  # nobody else looks at it if the caller has left


def _on_thread(task: Callable[[], _Result]) -> "Future[_Result]":
    """Run a task on a thread for which the exit of the process does not wait."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            result = task()
        except BaseException as error:  # noqa: BLE001 - the future has it
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, daemon=True).start()
    return future


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
