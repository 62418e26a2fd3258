"""A protocol as an application inside the application: its own routes, its own form of errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from domain.errors import InvalidData, ModelportError
from entrypoints.errors import outcome_of
from entrypoints.http import problems
from entrypoints.http.exchange import note_error

# What an error looks like in a protocol, from its status and what there is to say.
Form: TypeAlias = Callable[[HTTPStatus, str], Mapping[str, Any]]
Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]

# A shorter body than this, some 200 rows, is answered in less than a millisecond, for which a
# thread does not pay (see `predict`), and refused in a few.
_BYTES_WORTH_A_THREAD = 16_384


def protocol(routes: Sequence[BaseRoute], form: Form) -> Starlette:
    """Return an application that answers whatever goes wrong in one form."""

    async def on_error(request: Request, error: Exception) -> Response:
        note_error(request.scope, error)
        if isinstance(error, ModelportError):
            return refusal(form, _status(error), str(error))
        raise error

    async def on_http_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        answer = refusal(form, HTTPStatus(error.status_code), error.detail)
        answer.headers.update(error.headers or {})
        return answer

    async def on_crash(_: Request, __: Exception) -> Response:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return refusal(form, status, "the request failed by a fault of the server")

    handlers: dict[Any, Handler] = {
        ModelportError: on_error,
        HTTPException: on_http_error,
        ClientDisconnect: problems.on_disconnect,
        Exception: on_crash,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def refusal(form: Form, status: HTTPStatus, text: str) -> JSONResponse:
    """Return the answer for an error."""
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(problems.RETRY_AFTER_SECONDS)
    return JSONResponse(form(status, text), status, headers)


async def compute(work: Callable[[], Response], size: int) -> Response:
    """Do the work for a body of so many bytes: at once, or in a thread if it may take long."""
    return work() if size < _BYTES_WORTH_A_THREAD else await run_in_threadpool(work)


def _status(error: ModelportError) -> HTTPStatus:
    """Return the status of an error; to these protocols all bad input is a bad request."""
    return HTTPStatus.BAD_REQUEST if isinstance(error, InvalidData) else outcome_of(error).status
