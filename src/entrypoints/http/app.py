"""The ASGI application of a server process: middleware, fast path and ordinary routes."""

import gc
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from application.model.load_model import LoadedModel
from application.serving.served_model import ServedModel
from domain.data.schema import Schema
from entrypoints.http.api.explaining import Explaining
from entrypoints.http.background_tasks import BackgroundTasks, ServerMetrics
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.fastapi_app import fastapi_app
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.admission import Authenticator, RequestLimits
from entrypoints.http.middleware.content_decoding import ContentDecoding
from entrypoints.http.middleware.exposition import MetricsFolder
from entrypoints.http.middleware.pipeline import RequestPipeline
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.middleware.tracing import Tracing
from entrypoints.http.middleware.trusted_proxies import TrustedProxies
from entrypoints.http.uvicorn.connection import Timeouts
from entrypoints.http.uvicorn.worker_server import HAS_MODEL
from entrypoints.wiring.builders import now
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import Accelerators, AccessLogKind, load_settings

if TYPE_CHECKING:
    from entrypoints.http.fast_path.fast_path import FastPath

_MIN_NEW_OBJECTS = 10_000


class Application:
    """Answers each request by the fast path, or by the FastAPI application of the served schema.

    The model is loaded when the server starts.
    """

    def __init__(self, container: Container) -> None:
        settings, traces = container.settings(), container.traces()
        self._container = container
        self._serving: ServedModel = container.serving()
        self._data_plane = DataPlane(
            self._serving, container.predict_one(), settings.max_body_bytes
        )
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.root_path)
        self._api: tuple[Schema | None, FastAPI] | None = None
        self._prepared = ""  # the bundle id of the model that everything is prepared for
        authenticator = Authenticator(container.key_store(), now)
        limits, requests = RequestLimits(settings.max_in_flight, monotonic), RequestMetrics()
        access_log = AccessLog(sys.stdout) if settings.access_log is AccessLogKind.JSON else None
        tracing = None if traces is None else Tracing(traces)
        folder = None if settings.metrics_dir is None else MetricsFolder(settings.metrics_dir)
        accelerated = settings.accelerators is not Accelerators.NONE
        fast_path = _fast_path(self._data_plane, self._ordinary) if accelerated else None
        self.pipeline = RequestPipeline(
            ContentDecoding(
                self._ordinary if fast_path is None else fast_path.answer, settings.max_body_bytes
            ),
            authenticator,
            limits,
            requests,
            access_log=access_log,
            tracing=tracing,
        )
        # What connections find in the state of the server.
        self._state: dict[str, object] = {
            "timeouts": Timeouts(settings.header_seconds, settings.body_seconds),
            "metrics": requests,
            HAS_MODEL: lambda: self._serving.ready,
        }
        if fast_path is not None:
            self._state["direct"] = fast_path.direct_answers(self.pipeline)
        batcher = self._data_plane.batcher
        self._metrics = ServerMetrics(
            requests, self._serving, limits, batcher, authenticator, access_log, folder, now
        )
        self._explaining = Explaining(container.explain_served, settings.max_explanations_in_flight)
        self._background = BackgroundTasks(
            self._metrics, tracing, settings.poll_seconds, self._prepare
        )
        self._lifespan = Router(lifespan=self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one lifespan event."""
        if scope["type"] == "http":
            await self.pipeline(scope, receive, send)
        else:
            await self._lifespan(scope, receive, send)

    def api(self) -> FastAPI:
        """Return the FastAPI application for the schema that is served now."""
        model = self._serving.state.model
        schema = None if model is None else model.manifest.schema
        if self._api is None or self._api[0] is not schema:
            self._api = schema, self.api_for(schema)
        return self._api[1]

    def api_for(self, schema: Schema | None) -> FastAPI:
        """Return a FastAPI application for a schema; None is a server without a model."""
        return fastapi_app(
            self._data_plane,
            self._explaining,
            self._metrics.endpoint,
            schema,
            max_explained_rows=self._container.settings().max_explained_rows,
            servers=self._proxies.servers,
        )

    def _prepare(self, model: LoadedModel) -> None:
        """Build what the first requests for a model need, and leave it to no garbage collection.

        The objects of modules, application and model stay, and requests leave no cycles behind: so
        the collector has next to nothing to do.
        """
        replaced, bundle_id = self._prepared, model.version.bundle_id
        self.api()
        if replaced != bundle_id:
            self._prepared = bundle_id
            self._explaining.warm_up(model.manifest.schema.example)
        if replaced not in ("", bundle_id):
            gc.unfreeze()
            gc.collect()
        gc.freeze()

    def _ordinary(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self.api()(scope, receive, send)

    @asynccontextmanager
    async def _running(self, _: object) -> AsyncIterator[dict[str, object]]:
        async with self._background.running():
            yield self._state


def from_environment() -> Application:
    """Return the application for the current settings; each server process calls this."""
    app = Application(build_container(load_settings()))
    gc.set_threshold(_MIN_NEW_OBJECTS)
    return app


def _fast_path(data_plane: DataPlane, ordinary: ASGIApp) -> "FastPath":
    from entrypoints.http.fast_path.fast_path import FastPath

    return FastPath(data_plane, ordinary)
