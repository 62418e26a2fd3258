"""What a protocol is made of: routes and an endpoint of its own, its own form of errors."""

import logging
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from domain.data.table import Table
from domain.errors import InvalidData, ModelportError
from entrypoints.errors import outcome_of
from entrypoints.http import problem_details as problems
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.request_context import record_error, record_prediction

log = logging.getLogger("modelport")

# What an error looks like in a protocol, from its status and what there is to say.
Form: TypeAlias = Callable[[HTTPStatus, str], Mapping[str, Any]]
Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]

# The rows that a body asks for, and how their predictions are told.
Asked: TypeAlias = tuple[Table, Callable[[Predictions], Response]]

_FAULT = "the request failed by a fault of the server"


@dataclass(frozen=True, slots=True)
class Question:
    """A body of so many bytes, that can be read, and the model that is to answer."""

    model: LoadedModel
    size: int
    read: Callable[[], Asked]


class Endpoint:
    """Answers one kind of question, and whatever goes wrong in one form.

    It is an ASGI application of its own, so that it can be asked before any route is looked for.
    """

    def __init__(self, form: Form, work: Callable[[Scope, Receive], Awaitable[Response]]) -> None:
        self._form = form
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._work(scope, receive)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, answer
            answer = present(self._form, scope, error)
        await answer(scope, receive, send)


def protocol(routes: Sequence[BaseRoute], form: Form) -> Starlette:
    """Return an application that answers whatever goes wrong in one form."""

    async def on_error(request: Request, error: Exception) -> Response:
        return present(form, request.scope, error)

    async def on_crash(_: Request, __: Exception) -> Response:
        return refusal(form, HTTPStatus.INTERNAL_SERVER_ERROR, _FAULT)

    handlers: dict[Any, Handler] = {
        ModelportError: on_error,
        HTTPException: on_error,
        ClientDisconnect: problems.on_disconnect,
        Exception: on_crash,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def present(form: Form, scope: Scope, error: Exception) -> JSONResponse:
    """Return what an error is to a caller; the traceback of a fault of ours goes to the log."""
    record_error(scope, error)
    if isinstance(error, ModelportError):
        return refusal(form, _status(error), str(error))
    if isinstance(error, HTTPException):
        answer = refusal(form, HTTPStatus(error.status_code), error.detail)
        answer.headers.update(error.headers or {})
        return answer
    log.error("a request failed", exc_info=error)
    return refusal(form, HTTPStatus.INTERNAL_SERVER_ERROR, _FAULT)


def refusal(form: Form, status: HTTPStatus, text: str) -> JSONResponse:
    """Return the answer for an error."""
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(problems.RETRY_AFTER_SECONDS)
    return JSONResponse(form(status, text), status, headers)


async def score(plane: DataPlane, scope: Scope, question: Question, most: int) -> Response:
    """Answer a question; one of more bytes than `most` is read and answered on a thread."""
    if question.size > most:
        return await to_thread(_score_alone, plane, scope, question)
    table, told = question.read()
    predictions = await plane.ask_table(question.model, table, question.size)
    record_prediction(scope, len(predictions.vector), predictions.model)
    return told(predictions)


def _score_alone(plane: DataPlane, scope: Scope, question: Question) -> Response:
    table, told = question.read()
    predictions = plane.answer_table(question.model, table)
    record_prediction(scope, len(predictions.vector), predictions.model)
    return told(predictions)


def _status(error: ModelportError) -> HTTPStatus:
    """Return the status of an error; to these protocols all bad input is a bad request."""
    return HTTPStatus.BAD_REQUEST if isinstance(error, InvalidData) else outcome_of(error).status
