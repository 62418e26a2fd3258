"""Routes of FastAPI whose errors have the form of their protocol."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from entrypoints.http.error_responses import error_response
from entrypoints.http.middleware.request_context import CLIENT_CLOSED_REQUEST, record_error
from entrypoints.http.route_table import route_of


class ApiRoute(APIRoute):
    """A route that answers every error in the form of its protocol."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except ClientDisconnect:
                return Response(status_code=CLIENT_CLOSED_REQUEST)  # no caller receives it
            except Exception as error:  # noqa: BLE001 - every error gets a response
                record_error(request.scope, error)
                return error_response(route_of(request.scope["path"]).protocol, error)

        return answer
