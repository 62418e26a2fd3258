"""The endpoints: each parses a request, calls a use case, and presents the answer."""

import json
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from application.predict_one import PredictOne
from application.serving import Serving
from domain.errors import Unavailable
from entrypoints.http.body import read_records
from entrypoints.http.problems import MEDIA_TYPE, from_error
from entrypoints.words import describe_model

# Fewer rows than this are answered before a thread could have been woken.
_ROWS_WORTH_A_THREAD = 64

router = APIRouter()

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "No model is ready; says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


async def predict(request: Request) -> Response:
    """Answer `POST /predict`, described in `openapi`; kept off FastAPI's slower path."""
    state = request.app.state
    use_case: PredictOne = state.predict_one
    records = await read_records(request, state.max_body_bytes)
    if len(records) < _ROWS_WORTH_A_THREAD:
        answer = use_case(records)
    else:
        answer = await run_in_threadpool(use_case, records)
    content = json.dumps({"predictions": answer.values, "model": answer.model})
    return Response(content, media_type="application/json")


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
    """Answer 200 once a model has passed every check, 503 with the reason until then."""
    serving: Serving = request.app.state.serving
    try:
        return JSONResponse({"ready": True, "model": serving.model().version.label})
    except Unavailable as error:
        return from_error(error)


@router.get(
    "/model",
    tags=["model"],
    summary="The model that answers",
    responses=_NOT_READY,
)
async def model(request: Request) -> dict[str, Any]:
    """Return schema, metrics, data version and provenance of the model that answers now."""
    serving: Serving = request.app.state.serving
    return describe_model(serving.model())
