"""Background tasks of a server process.

They follow the model reference, read the API keys again, publish the metrics for the other
processes and write the access log. Each has at most one call on a thread at a time, so that none
waits for another; work of requests has threads of its own.
"""

import logging
from asyncio import Event, create_task, get_running_loop, to_thread, wait_for
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version
from platform import python_version

from starlette.requests import Request
from starlette.responses import Response

from application.model.load_model import LoadedModel
from application.serving.served_model import ServedModel, ServingState
from entrypoints.http.adaptive_batching import AdaptiveBatcher
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.admission import Authenticator, RequestLimits
from entrypoints.http.middleware.exposition import (
    Labels,
    MetricsFolder,
    Sample,
    exposition,
    process_samples,
)
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.middleware.tracing import Tracing

log = logging.getLogger("modelport")

_KEYS_SECONDS = 0.5
_PUBLISH_SECONDS = 1.0
_ACCESS_LOG_SECONDS = 0.2
# A registry that does not answer delays the start no longer than this.
_FIRST_LOAD_SECONDS = 10.0


@dataclass
class ServerMetrics:
    """All metrics of one process, and through the folder those of the other processes."""

    requests: RequestMetrics
    serving: ServedModel
    limits: RequestLimits
    batcher: AdaptiveBatcher
    authenticator: Authenticator
    access_log: AccessLog | None
    folder: MetricsFolder | None
    now: Callable[[], datetime]
    _queue_depth: int = field(default=0, init=False)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "metrics"), init=False
    )

    async def endpoint(self, request: Request) -> Response:
        """Answer with the metrics of all processes of the server, as the caller accepts them."""
        accept = request.headers.get("accept", "")
        page, content_type = await get_running_loop().run_in_executor(
            self._thread, self._page, [*self.samples()], accept
        )
        return Response(page, headers={"content-type": content_type})

    def update_queue_depth(self) -> None:
        """Take the largest number of waiting requests since the last call."""
        self._queue_depth = self.batcher.take_peak()

    def publish(self, samples: Iterable[Sample]) -> None:
        """Write samples of this process for the other processes."""
        if self.folder is not None:
            own = process_samples() if self.serving.ready else ()
            try:
                self.folder.publish([*samples, *own])
            except OSError as error:
                log.warning("the metrics of this process cannot be written: %s", error)

    def samples(self) -> Iterator[Sample]:
        """Return the samples of this process."""
        yield from self.requests.samples()
        yield Sample("modelport_in_flight", (), self.limits.in_flight)
        yield Sample("modelport_queue_depth", (), self._queue_depth)
        yield from self.batcher.calls.samples()
        yield Sample("modelport_keys_stale", (), bool(self.authenticator.problem))
        if self.access_log is not None:
            yield Sample("modelport_access_log_dropped_total", (), self.access_log.dropped)
        state = self.serving.state
        yield Sample("modelport_build_info", _build(), 1)
        yield Sample("modelport_ready", (), state.model is not None)
        yield Sample("modelport_degraded", (), state.degraded)
        for outcome, count in state.reloads.items():
            yield Sample("modelport_reloads_total", (("outcome", outcome.value),), count)
        if state.model is not None:
            label = (("model", state.model.version.label),)
            age = (self.now() - state.model.version.created_at).total_seconds()
            yield Sample("modelport_model_info", label, 1)
            yield Sample("modelport_model_age_seconds", label, age)

    def _page(self, samples: list[Sample], accept: str) -> tuple[bytes, str]:
        others = () if self.folder is None else self.folder.others()
        return exposition([*samples, *process_samples(), *others], accept)


@dataclass
class BackgroundTasks:
    """The background tasks of one server process."""

    metrics: ServerMetrics
    tracing: Tracing | None
    poll_seconds: float
    prepare: Callable[[LoadedModel], None]
    _news: tuple[str, ...] = field(default=(), init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the tasks while the block runs; it begins once the model is loaded or cannot be."""
        stopped, loaded, access_log = Event(), Event(), self.metrics.access_log
        following = create_task(self._follow(stopped, loaded))
        tasks = [
            create_task(_repeat(self._publish, _PUBLISH_SECONDS, stopped)),
            create_task(_repeat(self._read_keys, _KEYS_SECONDS, stopped)),
        ]
        if access_log is not None:
            tasks.append(create_task(_repeat(access_log.flush, _ACCESS_LOG_SECONDS, stopped)))
        try:
            with suppress(TimeoutError):
                await wait_for(loaded.wait(), _FIRST_LOAD_SECONDS)
            yield
        finally:
            stopped.set()
            for task in tasks:
                await task
            self.metrics.publish(self.metrics.samples())
            if access_log is not None:
                await access_log.flush()
            await following
            if self.tracing is not None:
                await to_thread(self.tracing.close)

    async def _publish(self) -> None:
        self.metrics.update_queue_depth()
        await to_thread(self.metrics.publish, [*self.metrics.samples()])

    async def _read_keys(self) -> None:
        await to_thread(self.metrics.authenticator.refresh)

    async def _follow(self, stopped: Event, loaded: Event) -> None:
        """Follow the model reference; a server may start before there is a model."""
        serving = self.metrics.serving
        await self._change(serving.restore)
        if serving.ready:
            label = serving.model().version.label
            log.info("%s is served from the cache until the registry answers", label)
            loaded.set()

        async def refresh() -> None:
            await self._refresh()
            loaded.set()

        await _repeat(refresh, self.poll_seconds, stopped)

    async def _refresh(self) -> None:
        if await self._change(self.metrics.serving.refresh):
            _log_state(self.metrics.serving.state)

    async def _change(self, change: Callable[[], bool]) -> bool:
        """Change the model, and prepare for it; return whether anything is new."""
        serving = self.metrics.serving
        with nullcontext() if self.tracing is None else self.tracing.reload(serving):
            try:
                await to_thread(change)
            except Exception:
                log.exception("unexpected error of the model store or the bundle cache")
        state, before = serving.state, self._news
        self._news = (_label(state), state.problem, state.cache_problem)
        if self._news != before and state.model is not None:
            self.prepare(state.model)
        return self._news != before


@cache
def _build() -> Labels:
    return (("version", version("modelport")), ("python", python_version()))


async def _repeat(act: Callable[[], Awaitable[None]], seconds: float, stopped: Event) -> None:
    """Repeat an action, with pauses, until the event is set."""
    while not stopped.is_set():
        await act()
        with suppress(TimeoutError):
            await wait_for(stopped.wait(), seconds)


def _label(state: ServingState) -> str:
    return "" if state.model is None else state.model.version.label


def _log_state(state: ServingState) -> None:
    label = _label(state)
    if not label:
        log.warning("not ready: %s", state.problem)
    elif state.problem:
        log.warning("degraded, still serving %s: %s", label, state.problem)
    else:
        log.info("ready: %s", label)
    if state.cache_problem:
        log.warning("the bundle cache cannot keep the model: %s", state.cache_problem)
