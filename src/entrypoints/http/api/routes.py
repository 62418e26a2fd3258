"""The endpoints: each parses a request, calls a use case, and presents the answer."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from application.serving.served_model import ServedModel
from domain.errors import Unavailable
from entrypoints.http.problem_details import MEDIA_TYPE, from_error
from entrypoints.reports.model_description import describe_model

router = APIRouter()

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "No model is ready; says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


@router.get("/health", tags=["health"], summary="Whether the server runs")
async def health() -> dict[str, str]:
    """Answer as long as the process can."""
    return {"status": "ok"}


@router.get("/health/live", tags=["health"], summary="Whether the server is alive")
async def live() -> dict[str, bool]:
    """Answer as long as the process can; a server that does not should be restarted."""
    return {"live": True}


@router.get(
    "/health/ready",
    tags=["health"],
    summary="Whether predictions are answered",
    responses=_NOT_READY,
    response_model=None,
)
async def ready(request: Request) -> JSONResponse:
    """Answer 200 once a model has passed every check, 503 with the reason until then.

    A server that cannot follow the model reference, since the registry is down or the new version
    failed a check, goes on answering with the version before: it is `degraded`, and `problem` says
    why.
    """
    serving: ServedModel = request.app.state.serving
    state = serving.state
    if state.model is None:
        return from_error(Unavailable(f"not ready: {state.problem}"))
    return JSONResponse(
        {
            "ready": True,
            "model": state.model.version.label,
            "since": state.since.isoformat() if state.since else None,
            "degraded": state.degraded,
            "problem": state.problem or None,
            "reloads": state.reloads,
        }
    )


@router.get(
    "/model",
    tags=["model"],
    summary="The model that answers",
    responses=_NOT_READY,
)
async def model(request: Request) -> dict[str, Any]:
    """Return schema, metrics, data version and provenance of the model that answers now."""
    serving: ServedModel = request.app.state.serving
    return describe_model(serving.model())
