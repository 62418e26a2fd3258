"""Health, metrics, and the model that is served."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from application.serving.served_model import ServedModel
from domain.errors import Unavailable
from domain.security.api_keys import Scope
from entrypoints.http.api_route import ApiRoute
from entrypoints.http.openapi_responses import errors_of, with_key
from entrypoints.http.route_table import Protocol
from entrypoints.reports.model_description import describe_model

_NOT_READY = {503: "No model is ready; gives the reason."}


def service_router(
    serving: ServedModel, show_metrics: Callable[[Request], Awaitable[Response]]
) -> APIRouter:
    """Return the routes of health, metrics and model."""
    router = APIRouter(route_class=ApiRoute)
    _add_health_routes(router, serving)
    _add_model_routes(router, serving, show_metrics)
    return router


def _add_health_routes(router: APIRouter, serving: ServedModel) -> None:
    @router.get("/health", tags=["health"], summary="Whether the server runs")
    async def health() -> dict[str, str]:
        """Answer 200 while the process responds."""
        return {"status": "ok"}

    @router.get("/health/live", tags=["health"], summary="Whether the server is alive")
    async def live() -> dict[str, bool]:
        """Answer 200 while the process responds; restart a server that does not."""
        return {"live": True}

    @router.get(
        "/health/ready",
        tags=["health"],
        summary="Whether predictions are answered",
        responses=errors_of(Protocol.NATIVE, _NOT_READY),
    )
    async def ready() -> dict[str, Any]:
        """Answer 200 once a model has passed every check, 503 with the reason until then.

        If the registry cannot be reached, or the new version failed a check, the server
        continues with the previous version: it is `degraded`, and `problem` gives the reason.
        """
        state = serving.state
        if state.model is None:
            raise Unavailable(f"not ready: {state.problem}")
        return {
            "ready": True,
            "model": state.model.version.label,
            "since": state.since.isoformat() if state.since else None,
            "degraded": state.degraded,
            "problem": state.problem or None,
            "reloads": state.reloads,
        }


def _add_model_routes(
    router: APIRouter,
    serving: ServedModel,
    show_metrics: Callable[[Request], Awaitable[Response]],
) -> None:
    @router.get(
        "/model",
        tags=["model"],
        summary="The model that answers",
        response_model=dict[str, Any],
        **with_key(Protocol.NATIVE, _NOT_READY),
    )
    async def model() -> Response:
        """Return schema, metrics, data version and provenance of the served model."""
        return JSONResponse(describe_model(serving.model()))

    @router.get(
        "/metrics",
        tags=["health"],
        summary="What Prometheus reads",
        description="Return the metrics of all processes of the server as Prometheus' text. "
        f"A key needs the scope `{Scope.METRICS}`.",
        operation_id="metrics",
        response_class=PlainTextResponse,
        response_description="Metrics.",
        **with_key(Protocol.NATIVE, {}),
    )
    async def metrics(request: Request) -> Response:
        return await show_metrics(request)
