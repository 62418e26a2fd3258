"""Errors as RFC 9457 `application/problem+json`: never the caller's data, never a traceback."""

import logging
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import InvalidRows, ModelportError, TooLarge
from entrypoints.errors import outcome_of

log = logging.getLogger("modelport")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

_SHOWN = 100


class UnsupportedMediaType(HTTPException):
    """A body of another type than JSON."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body is not application/json; allowed: application/json",
        )


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """Return a problem document."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return JSONResponse(document, status, headers, MEDIA_TYPE)


def from_error(error: ModelportError) -> JSONResponse:
    """Return what a domain error is to a caller."""
    outcome = outcome_of(error)
    if isinstance(error, InvalidRows):
        entries = [
            {"row": v.row, "field": v.field, "problem": v.problem, "allowed": v.allowed}
            for v in error.violations[:_SHOWN]
        ]
        count = len(error.violations)
        which = "field of the request breaks" if count == 1 else "fields of the request break"
        detail = f"{count} {which} the schema"
        if count > _SHOWN:
            detail += f"; the first {_SHOWN} are listed"
        return problem(outcome.status, outcome.title, detail, errors=entries)
    return problem(outcome.status, outcome.title, str(error))


def from_http_error(error: HTTPException) -> JSONResponse:
    """Return what an unknown path, a wrong method and the like are to a caller."""
    status = HTTPStatus(error.status_code)
    answer = problem(status, status.phrase, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def present(error: Exception) -> JSONResponse:
    """Return what an error is to a caller; the traceback of a fault of ours goes to the log."""
    if isinstance(error, ModelportError):
        return from_error(error)
    if isinstance(error, HTTPException):
        return from_http_error(error)
    log.error("a request failed", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, "Internal error", "the request failed by a fault of the server")


async def on_error(_: Request, error: Exception) -> JSONResponse:
    """Answer for an error that a route raised."""
    return present(error)


async def on_disconnect(_: Request, __: Exception) -> Response:
    """Answer to nobody: the caller hung up before the request was whole."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def too_long(limit: int) -> TooLarge:
    """Return the error for a body beyond the limit."""
    return TooLarge(f"the body is too long; allowed: {limit} bytes")
