"""The context of one request, for the access log, the metrics and the traces.

The ASGI scope holds it. The request id is the only data of the caller in it.
"""

import re
from collections.abc import Awaitable, Iterable
from http import HTTPStatus
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.types import Message, Scope, Send

from domain.errors import InvalidRows, ModelportError
from entrypoints.http.route_table import RouteInfo

# Scope key of the context.
CONTEXT = "modelport.request_context"

# Scope key of the status of a connection that was closed before the response started.
CLOSED_WITH = "modelport.closed_with"

# The status of a caller that disconnected before the response started, as in nginx.
CLIENT_CLOSED_REQUEST = 499

# Keys in the application state: the reason why a server is not ready although it has a model;
# present once it closes each connection after the response.
NOT_READY = "not_ready"
CLOSING = "closing"

_INNER_CAPITAL = re.compile(r"(?<!^)[A-Z]")
_VALID_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}").fullmatch


class RequestContext:
    """One request. `status` is 0 until the response starts; `send` adds the common headers.

    `start` is when its headers were read, by `perf_counter`; `respond` sends to the server.
    `hosts` is the number of its `Host` headers.
    `refusal` is the reason why it was refused or failed, one of a fixed set; empty if it was not.
    """

    __slots__ = (
        *(
            "hosts",
            "id",
            "key",
            "model",
            "refusal",
            "rejects",
            "respond",
            "route",
            "rows",
            "start",
            "status",
        ),
    )

    respond: Send

    def __init__(self, route: RouteInfo, request_id: bytes, hosts: int = 1) -> None:
        self.start = perf_counter()
        self.hosts = hosts
        self.route = route
        self.id = request_id
        self.status = 0
        self.rows = 0
        self.model = ""
        self.key = ""
        self.refusal = ""
        self.rejects: dict[str, int] | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """Send one message of the response to the server."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.get("headers", ())
            message["headers"] = [*headers, *self.route.headers, (b"x-request-id", self.id)]
        return self.respond(message)


def record_prediction(scope: Scope, rows: int, model: str) -> None:
    """Record the number of predicted rows and the model version."""
    context: RequestContext | None = scope.get(CONTEXT)
    if context is not None:
        context.rows = rows
        context.model = model


def record_error(scope: Scope, error: Exception) -> None:
    """Record the reason of a refusal, and the rejected values per field of an `InvalidRows`."""
    context: RequestContext | None = scope.get(CONTEXT)
    if context is None:
        return
    context.refusal = _reason(error)
    if isinstance(error, InvalidRows):
        rejects: dict[str, int] = {}
        for violation in error.violations:
            rejects[violation.field] = rejects.get(violation.field, 0) + 1
        context.rejects = rejects


class RefusedRequest(HTTPException):
    """A request that was refused for a reason that its status does not tell."""

    def __init__(
        self, status: HTTPStatus, reason: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.reason = reason


def _reason(error: Exception) -> str:
    """Return the reason, the class of the domain error, or the phrase of the status."""
    if isinstance(error, RefusedRequest):
        return error.reason
    if isinstance(error, ModelportError):
        return _INNER_CAPITAL.sub(r"_\g<0>", type(error).__name__).lower()
    status = error.status_code if isinstance(error, HTTPException) else 500
    return HTTPStatus(status).name.lower()


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes, int]:
    """Return the valid request id of the caller, its API key and the number of `Host` headers.

    Id and key are empty if absent.
    """
    request_id = bearer = key = b""
    hosts = 0
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value if _VALID_ID(value) else b""
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
        elif name == b"x-api-key":
            key = value
        elif name == b"host":
            hosts += 1
    return request_id, bearer or key, hosts
