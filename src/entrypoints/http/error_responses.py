"""Errors as responses, each in the form of the protocol that its path belongs to.

The native API answers RFC 9457 `application/problem+json`. A response holds neither the caller's
data nor a traceback.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from domain.errors import InvalidData, InvalidRows, ModelportError, TooLarge
from entrypoints.errors import outcome_of
from entrypoints.http.route_table import Protocol

log = logging.getLogger("modelport")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

_MAX_VIOLATIONS = 100
_INTERNAL = "the request failed by a fault of the server"
_MLFLOW_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}


class UnsupportedMediaType(HTTPException):
    """A body of another type than JSON."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body is not application/json; allowed: application/json",
        )


def body_too_large(limit: int) -> TooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return TooLarge(f"the body is too long; allowed: {limit} bytes")


def error_response(protocol: Protocol, error: Exception) -> JSONResponse:
    """Return the response for an error; the traceback of a programming error is logged."""
    if isinstance(error, HTTPException):
        return refusal(protocol, HTTPStatus(error.status_code), error.detail, error.headers)
    if not isinstance(error, ModelportError):
        log.error("a request failed", exc_info=error)
        return refusal(protocol, HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL)
    if protocol is Protocol.NATIVE:
        return _problem_of(error)
    # Both protocols call every invalid input a bad request.
    invalid = isinstance(error, InvalidData)
    status = HTTPStatus.BAD_REQUEST if invalid else outcome_of(error).status
    return refusal(protocol, status, str(error))


def refusal(
    protocol: Protocol,
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a response of one sentence in the form of a protocol."""
    body: Mapping[str, Any]
    match protocol:
        case Protocol.NATIVE:
            return problem(status, status.phrase, detail, headers)
        case Protocol.V2:
            body = {"error": detail}
        case Protocol.MLFLOW:
            body = {"error_code": _MLFLOW_CODES.get(status, "BAD_REQUEST"), "message": detail}
    return _response(body, status, headers, "application/json")


def problem(
    status: HTTPStatus,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return a problem document."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return _response(document, status, headers, MEDIA_TYPE)


def retry_headers(status: HTTPStatus) -> dict[str, str]:
    """Return the header with the seconds to wait, for a temporary status."""
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}


def _response(
    body: Mapping[str, Any], status: HTTPStatus, headers: Mapping[str, str] | None, media_type: str
) -> JSONResponse:
    response = JSONResponse(body, status, retry_headers(status), media_type)
    response.headers.update(headers or {})
    return response


def _problem_of(error: ModelportError) -> JSONResponse:
    outcome = outcome_of(error)
    if not isinstance(error, InvalidRows):
        return problem(outcome.status, outcome.title, str(error))
    entries = [
        {"row": v.row, "field": v.field, "problem": v.problem, "allowed": v.allowed}
        for v in error.violations[:_MAX_VIOLATIONS]
    ]
    count = len(error.violations)
    which = "field of the request breaks" if count == 1 else "fields of the request break"
    detail = f"{count} {which} the schema"
    if count > _MAX_VIOLATIONS:
        detail += f"; the first {_MAX_VIOLATIONS} are listed"
    return problem(outcome.status, outcome.title, detail, errors=entries)
