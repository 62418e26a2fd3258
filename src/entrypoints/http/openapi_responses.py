"""Parts of the OpenAPI document of every route: API keys, and errors by protocol."""

from collections.abc import Mapping
from typing import Any

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, Field

from entrypoints.http.error_responses import MEDIA_TYPE
from entrypoints.http.route_table import Protocol


class ProblemEntry(BaseModel):
    """One field that breaks the schema."""

    row: int
    field: str
    problem: str
    allowed: str


class Problem(BaseModel):
    """An error as in RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemEntry] = Field(
        default=[],
        description="One entry per field that breaks the schema; rows count from zero.",
    )


class V2Error(BaseModel):
    """An error of the Open Inference Protocol."""

    error: str


class MlflowError(BaseModel):
    """An error of MLflow's scoring protocol."""

    error_code: str
    message: str


ERROR_MODELS = (Problem, V2Error, MlflowError)

_ERRORS: dict[Protocol, tuple[str, type[BaseModel]]] = {
    Protocol.NATIVE: (MEDIA_TYPE, Problem),
    Protocol.V2: ("application/json", V2Error),
    Protocol.MLFLOW: ("application/json", MlflowError),
}
_REFUSALS = {
    401: "A valid API key is required.",
    403: "The key does not have the scope.",
    408: "The body did not arrive in time.",
    429: "The key exceeds its rate; Retry-After gives the seconds to wait.",
    503: "The server is full, or no model is ready; gives the reason.",
}
_SLOW_BODY = 408

# The middleware authenticates before any route; these describe it.
_KEYS = [
    Security(HTTPBearer(scheme_name="bearer", description="A key as `Bearer`.", auto_error=False)),
    Security(
        APIKeyHeader(name="X-API-Key", scheme_name="key", description="A key.", auto_error=False)
    ),
]


def errors_of(protocol: Protocol, meanings: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return `responses` for FastAPI: errors by status with what they mean."""
    media_type, model = _ERRORS[protocol]
    content = {media_type: {"schema": reference(model)}}
    return {status: {"description": text, "content": content} for status, text in meanings.items()}


def with_key(
    protocol: Protocol, meanings: Mapping[int, str], *, body: bool = False, **more: Any
) -> dict[str, Any]:
    """Return arguments for a route that may need a key; `more` completes its operation."""
    refusals = {s: text for s, text in _REFUSALS.items() if body or s != _SLOW_BODY}
    errors = errors_of(protocol, {**refusals, **meanings})
    return {
        "dependencies": _KEYS,
        "responses": dict(sorted(errors.items(), key=lambda each: int(each[0]))),
        # The empty entry: where no keys are configured, none is needed.
        "openapi_extra": {"security": [{}], **more},
    }


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Return the reference to a model among the components of the document."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
