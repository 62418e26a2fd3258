"""Routes of FastAPI whose errors have the form of their protocol, and that read JSON strictly."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from domain.errors import InvalidData
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.error_responses import error_response
from entrypoints.http.middleware.request_context import record_error
from entrypoints.http.request_body import read_body, require_json
from entrypoints.http.route_table import route_of
from entrypoints.strict_json import read_json

# A longer body is parsed on a thread, so that smaller requests do not wait for it.
MAX_BYTES_ON_LOOP = 16_384

_Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]

_ALLOWED = 'allowed: {"data": [{…}, …]}'
_INVALID_FIELDS = {
    "data": f"'data' is not a list; {_ALLOWED}",
    "interval": "interval: is not a number; allowed: a level such as 0.9",
    "extrapolates": "extrapolates: is not true or false",
}


class ApiRoute(APIRoute):
    """A route that answers every error in the form of its protocol."""

    def get_route_handler(self) -> _Handler:
        return _answering_errors(super().get_route_handler())


class JsonRoute(APIRoute):
    """An `ApiRoute` that reads its body within the limit, as JSON in which no name is repeated."""

    def get_route_handler(self) -> _Handler:
        return _answering_errors(_reading_json(super().get_route_handler()))


class _ReadRequest(Request):
    """A request whose body was read and parsed."""

    def __init__(self, request: Request, content: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._content = content
        self._value = value

    async def body(self) -> bytes:
        return self._content

    async def json(self) -> Any:
        return self._value


def _answering_errors(handle: Callable[[Request], Awaitable[Response]]) -> _Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody receives it
        except Exception as error:  # noqa: BLE001 - every error gets a response
            record_error(request.scope, error)
            return error_response(route_of(request.scope["path"]).protocol, error)

    return answer


def _reading_json(handle: _Handler) -> _Handler:
    async def read(request: Request) -> Response:
        plane: DataPlane = request.app.state.plane
        require_json(request.scope)
        content = await read_body(request.scope, request.receive, plane.max_body_bytes)
        plane.serving.model()  # without a model the body need not be parsed
        if len(content) > MAX_BYTES_ON_LOOP:
            value = await to_thread(read_json, content, "the body")
        else:
            value = read_json(content, "the body")
        try:
            return await handle(_ReadRequest(request, content, value))
        except RequestValidationError as error:
            raise InvalidData(_explain(error.errors()[0])) from None

    return read


def _explain(error: Mapping[str, Any]) -> str:
    """Return what is wrong with the fields of a body, without the values of the caller."""
    field = "".join(map(str, error["loc"][1:2]))
    if error["type"] == "extra_forbidden":
        more = 'optionally with "interval" and "extrapolates"'
        return f"the body has unknown fields; {_ALLOWED}, {more}"
    if error["type"] != "missing" and field in _INVALID_FIELDS:
        return _INVALID_FIELDS[field]
    return f"the body is not an object with the field 'data'; {_ALLOWED}"
