"""The application: routes, error handlers, and the loading of the model."""

import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from time import monotonic
from typing import Any

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from application.serving.served_model import ServedModel
from domain.errors import ModelportError
from entrypoints.http import problem_details as problems
from entrypoints.http.api.explain_endpoint import ExplainEndpoint
from entrypoints.http.api.openapi import openapi_document
from entrypoints.http.api.routes import router
from entrypoints.http.background_tasks import BackgroundTasks, ServerMetrics
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.error_responses import on_http_error
from entrypoints.http.fast_path.predict_endpoint import PredictEndpoint
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.authentication import Authenticator
from entrypoints.http.middleware.limits import Limits
from entrypoints.http.middleware.pipeline import RequestPipeline
from entrypoints.http.middleware.prometheus_text import MetricsFolder
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.middleware.tracing import Tracing
from entrypoints.http.protocols.protocol_table import ProtocolTable
from entrypoints.http.route_table import Protocol, route_of
from entrypoints.http.uvicorn.connection import Timeouts
from entrypoints.wiring.builders import now
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import AccessLogKind, load_settings

_NEW_OBJECTS_WORTH_A_LOOK = 10_000


class Application(FastAPI):
    """A FastAPI application that answers predictions before it looks for a route.

    Every request passes the middleware first. What is posted to a path of `endpoints`, and other
    protocols than its own, it only describes: they are answered by applications of their own.
    """

    endpoints: Mapping[str, ASGIApp]
    protocols: Mapping[Protocol, ASGIApp]
    pipeline: RequestPipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one event of the server's life."""
        if scope["type"] == "http":
            await self.pipeline(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request that has passed the middleware."""
        endpoint = self.endpoints.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is not None:
            return endpoint(scope, receive, send)
        application = self.protocols.get(route_of(scope["path"]).protocol)
        if application is not None:
            return application(scope, receive, send)
        return super().__call__(scope, receive, send)


def create_app(container: Container) -> Application:
    """Return the application for a container; the model is loaded when the server starts."""
    settings = container.settings()
    app = Application(
        title="modelport",
        version=version("modelport"),
        description="Predictions by a governed model. `GET /model` says which, and what made it.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.serving = container.serving()
    plane = DataPlane(container.serving(), container.predict_one(), settings.max_body_bytes)
    predict, spoken = PredictEndpoint(plane), ProtocolTable.of(plane)
    app.endpoints = {"/predict": predict, **spoken.endpoints}
    app.protocols = spoken.applications
    _add_middleware(app, container, plane)
    app.include_router(router)
    # For other methods than POST the router answers that they are not allowed.
    app.routes.append(Route("/predict", predict, methods=["POST"], include_in_schema=False))
    explain = ExplainEndpoint(container.explain_served, settings.max_body_bytes)
    app.routes.append(Route("/explain", explain.answer, methods=["POST"], include_in_schema=False))
    app.add_exception_handler(ModelportError, problems.on_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(ClientDisconnect, problems.on_disconnect)
    app.add_exception_handler(Exception, problems.on_error)
    _describe(app, settings.max_rows, settings.max_explained_rows)
    return app


def from_environment() -> Application:
    """Return the application for the settings in force: what each server process calls."""
    app = create_app(build_container(load_settings()))
    # What is there now stays: the collector of cycles need not look at it again and again, nor so
    # often at what requests leave behind, which is next to nothing.
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_WORTH_A_LOOK)
    return app


def _add_middleware(app: Application, container: Container, plane: DataPlane) -> None:
    settings, serving, traces = container.settings(), container.serving(), container.traces()
    authenticator = Authenticator(container.key_store(), now)
    limits, requests = Limits(settings.max_in_flight, monotonic), RequestMetrics()
    access_log = AccessLog(sys.stdout) if settings.access_log is AccessLogKind.JSON else None
    tracing = None if traces is None else Tracing(traces)
    folder = None if settings.metrics_dir is None else MetricsFolder(settings.metrics_dir)
    app.pipeline = RequestPipeline(
        app.answer, authenticator, limits, requests, access_log=access_log, tracing=tracing
    )
    metrics = ServerMetrics(
        requests, serving, limits, plane.batcher, authenticator, access_log, folder, now
    )
    app.state.background = BackgroundTasks(metrics, tracing, settings.poll_seconds)
    app.state.timeouts = Timeouts(settings.header_seconds, settings.body_seconds)
    app.routes.append(Route("/metrics", metrics.endpoint, include_in_schema=False))


def _describe(app: FastAPI, max_rows: int, max_explained: int) -> None:
    serving: ServedModel = app.state.serving

    def openapi() -> dict[str, Any]:
        schema = serving.model().manifest.schema if serving.ready else None
        return openapi_document(app, schema, max_rows, max_explained)

    app.openapi = openapi  # type: ignore[method-assign]
    patch_fastapi(app, docs_url="/docs", redirect_from_root_to_docs=True)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Timeouts]]:
    async with app.state.background.running():
        yield {"timeouts": app.state.timeouts}
