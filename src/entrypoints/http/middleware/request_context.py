"""One request on its way through the server: what the log and the metrics tell of it.

It travels in the ASGI scope, so that whoever knows something of a request can note it: never the
caller's data.
"""

from collections.abc import Awaitable

from starlette.types import Message, Scope, Send

from domain.errors import InvalidRows
from entrypoints.http.route_table import RouteInfo

_KEY = "modelport.exchange"

# Where the scope tells with which status the connection was closed past the application.
CUT = "modelport.cut"

# In the state of the application from when the server stops.
STOPPING = "stopping"


class RequestContext:
    """A request; `status` is 0 until the answer begins, `send` puts the common headers on it."""

    __slots__ = ("_send", "id", "key", "model", "place", "rejects", "rows", "status")

    def __init__(self, place: RouteInfo, request_id: bytes, send: Send) -> None:
        self.place = place
        self.id = request_id
        self.status = 0
        self.rows = 0
        self.model = ""
        self.key = ""
        self.rejects: dict[str, int] | None = None
        self._send = send

    def send(self, message: Message) -> Awaitable[None]:
        """Hand a part of the answer on to the server."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", ())
            message["headers"] = [*given, *self.place.headers, (b"x-request-id", self.id)]
        return self._send(message)


def carry(scope: Scope, exchange: RequestContext) -> None:
    """Let an exchange travel with the request."""
    scope[_KEY] = exchange


def note_answer(scope: Scope, rows: int, model: str) -> None:
    """Note how many rows were answered, and by which version."""
    exchange: RequestContext | None = scope.get(_KEY)
    if exchange is not None:
        exchange.rows = rows
        exchange.model = model


def note_error(scope: Scope, error: Exception) -> None:
    """Note for which fields how many rows were refused, if that is what the error is."""
    exchange: RequestContext | None = scope.get(_KEY)
    if exchange is not None and isinstance(error, InvalidRows):
        rejects: dict[str, int] = {}
        for violation in error.violations:
            rejects[violation.field] = rejects.get(violation.field, 0) + 1
        exchange.rejects = rejects
