"""What every request passes, whatever its protocol, before and after it is answered.

In order: it gets an id, it is refused if the server is full or stopping, it has to show a key
where keys are configured, and in the end it is counted and logged. All of it costs a few
microseconds, since the fastest answers of this server take a few tens.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.error_responses import refuse
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.authentication import Authenticator, Denied
from entrypoints.http.middleware.request_context import CUT, STOPPING, RequestContext, carry
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.middleware.tracing import Tracing
from entrypoints.http.route_table import RouteInfo, route_of

_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}").fullmatch
_RETRY_SECONDS = "1"

# What the log and the metrics say of a caller who hung up before the answer began.
_HUNG_UP = 499


class RequestPipeline:
    """Stands before an application. `in_flight` is the number of requests being worked on."""

    def __init__(
        self,
        answer: ASGIApp,
        gate: Authenticator,
        metrics: RequestMetrics,
        access_log: AccessLog | None,
        max_in_flight: int,
        *,
        tracing: Tracing | None = None,
    ) -> None:
        self._answer = answer
        self._gate = gate
        self._metrics = metrics
        self._log = access_log
        self._max_in_flight = max_in_flight
        self._tracing = tracing
        self._prefix = f"{token_hex(8)}-".encode()
        self._numbers = count(1)
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        start = perf_counter()
        request_id, token = _read(scope["headers"])
        exchange = RequestContext(route_of(scope["path"]), request_id or self._new_id(), send)
        carry(scope, exchange)
        try:
            exchange.key = self._admit(exchange.place, token, scope)
        except Denied as denied:
            answer = refuse(exchange.place, denied.status, denied.detail, denied.headers)
            await answer(scope, receive, exchange.send)
            self._record(exchange, perf_counter() - start, scope)
            return
        self.in_flight += 1
        try:
            await self._answer(scope, receive, exchange.send)
        finally:
            self.in_flight -= 1
            self._record(exchange, perf_counter() - start, scope)

    def _admit(self, place: RouteInfo, token: bytes, scope: Scope) -> str:
        if place.tells_ready and scope.get("state", {}).get(STOPPING):
            raise _unavailable("not ready: the server is stopping")
        if place.needs is None:
            return ""
        if self.in_flight >= self._max_in_flight:
            raise _unavailable(f"the server is full; allowed: {self._max_in_flight} at once")
        return self._gate.admit(place.needs, token)

    def _record(self, exchange: RequestContext, seconds: float, scope: Scope) -> None:
        if not exchange.status:
            exchange.status = scope.get(CUT, _HUNG_UP)
        self._metrics.record(exchange, seconds)
        if self._log is not None:
            self._log.record(exchange, seconds, scope["method"])
        if self._tracing is not None:
            self._tracing.request(exchange, seconds, scope)

    def _new_id(self) -> bytes:
        return b"%b%x" % (self._prefix, next(self._numbers))


def _read(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return the id that the caller gives to a request, and its key; empty where there is none."""
    request_id = bearer = key = b""
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value if _SANE(value) else b""
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
        elif name == b"x-api-key":
            key = value
    return request_id, bearer or key


def _unavailable(detail: str) -> Denied:
    return Denied(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=_RETRY_SECONDS)
