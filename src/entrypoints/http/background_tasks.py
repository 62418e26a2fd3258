"""What a server process does beside answering: it keeps up with its keys and lays down metrics."""

import logging
from asyncio import CancelledError, Task, create_task, sleep, to_thread
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from application.serving.served_model import ServedModel
from entrypoints.http.adaptive_batching import AdaptiveBatcher
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.authentication import Authenticator
from entrypoints.http.middleware.pipeline import RequestPipeline
from entrypoints.http.middleware.prometheus_text import CONTENT_TYPE, Labels, Sample, Shared, render
from entrypoints.http.middleware.request_metrics import RequestMetrics

log = logging.getLogger("modelport")

_SECONDS = 1.0


class BackgroundTasks:
    """Holds what is to be known of one process, and shows it."""

    def __init__(
        self,
        metrics: RequestMetrics,
        gate: Authenticator,
        access_log: AccessLog | None,
        shared: Shared | None,
    ) -> None:
        self._metrics = metrics
        self._gate = gate
        self._log = access_log
        self._shared = shared
        self._on_tick: list[Callable[[], None]] = []

    def observe(
        self,
        serving: ServedModel,
        front: RequestPipeline,
        batcher: AdaptiveBatcher,
        now: Callable[[], datetime],
    ) -> None:
        """Let the metrics tell of these too."""
        depth = 0

        def tick() -> None:
            nonlocal depth
            depth = batcher.take_peak()

        def figures() -> Iterator[tuple[str, Labels, float]]:
            yield "modelport_in_flight", (), front.in_flight
            yield "modelport_queue_depth", (), depth
            yield "modelport_model_calls_total", (), batcher.calls
            yield "modelport_keys_stale", (), bool(self._gate.problem)
            if self._log is not None:
                yield "modelport_access_log_dropped_total", (), self._log.dropped
            yield from _of_serving(serving, now())

        self._on_tick.append(tick)
        self._metrics.watch(figures)

    async def show(self, _: Request) -> Response:
        """Answer with the metrics of all processes of the server."""
        return Response(render(await to_thread(self._all)), media_type=CONTENT_TYPE)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep at it while the server runs."""
        if self._log is not None:
            self._log.start()
        ticking: Task[None] = create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(CancelledError):
                await ticking
            self._publish()
            if self._log is not None:
                await self._log.stop()

    async def _tick(self) -> None:
        while True:
            for act in self._on_tick:
                act()
            await to_thread(self._gate.refresh)
            self._publish()
            await sleep(_SECONDS)

    def _publish(self) -> None:
        if self._shared is not None:
            try:
                self._shared.publish(self._metrics.samples())
            except OSError as error:
                log.warning("metrics cannot be laid down for the other processes: %s", error)

    def _all(self) -> list[Sample]:
        others = [] if self._shared is None else [*self._shared.others()]
        return [*self._metrics.samples(), *others]


def _of_serving(serving: ServedModel, now: datetime) -> Iterator[tuple[str, Labels, float]]:
    state = serving.state
    yield "modelport_ready", (), state.model is not None
    yield "modelport_degraded", (), state.degraded
    for outcome, count in state.reloads.items():
        yield "modelport_reloads_total", (("outcome", outcome.value),), count
    if state.model is not None:
        label = (("model", state.model.version.label),)
        age = (now - state.model.version.created_at).total_seconds()
        yield "modelport_model_info", label, 1
        yield "modelport_model_age_seconds", label, age
