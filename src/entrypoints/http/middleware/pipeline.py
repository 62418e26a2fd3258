"""The order of the middleware, the same for every protocol.

Each request gets an id, passes the limits and authentication, is answered by the application, and
is recorded in metrics, access log and traces. All of it takes a few microseconds; a request on the
fast path takes a few tens.
"""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.error_responses import error_response
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.admission import Authenticator, RequestLimits, unavailable
from entrypoints.http.middleware.request_context import (
    CLIENT_CLOSED_REQUEST,
    CLOSED_WITH,
    CLOSING,
    CONTEXT,
    NOT_READY,
    RefusedRequest,
    RequestContext,
    read_headers,
    record_error,
)
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.middleware.tracing import Tracing
from entrypoints.http.route_table import RouteInfo, route_of


class RequestPipeline:
    """Wraps an application in the middleware."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        limits: RequestLimits,
        metrics: RequestMetrics,
        *,
        access_log: AccessLog | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self.limits = limits
        self._metrics = metrics
        self._log = access_log
        self._tracing = tracing
        self._id_prefix = f"{token_hex(8)}-".encode()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one whose scope has a context was admitted before."""
        context: RequestContext | None = scope.get(CONTEXT)
        if context is None:
            context, token = self.open(route_of(scope["path"]), scope["headers"])
            context.respond = send
            scope[CONTEXT] = context
            try:
                self.admit(context, token, scope)
            except HTTPException as denied:
                record_error(scope, denied)
                response = error_response(context.route.protocol, denied)
                await response(scope, receive, context.send)
                self._record(context, scope)
                return
        context.respond = send
        # The server sends no body for HEAD, by the scope that it keeps.
        answered = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(answered, receive, context.send)
        finally:
            self.close(context, scope)

    def open(
        self, route: RouteInfo, headers: Iterable[tuple[bytes, bytes]]
    ) -> tuple[RequestContext, bytes]:
        """Return the context of a request that begins, and its API key."""
        request_id, token, hosts = read_headers(headers)
        if not request_id:
            request_id = b"%b%x" % (self._id_prefix, next(self._numbers))
        return RequestContext(route, request_id, hosts), token

    def admit(self, context: RequestContext, token: bytes, scope: Scope) -> None:
        """Admit a request; `close` ends it.

        Raises:
            HTTPException: it is refused.
        """
        route = context.route
        if context.hosts != 1:
            _require_host(context.hosts, scope.get("http_version", "1.1"))
        state = scope.get("state", {})
        if route.reports_readiness and (reason := state.get(NOT_READY)):
            label = "stopping" if CLOSING in state else "not_ready"
            raise unavailable(label, f"not ready: {reason}")
        if route.needs is not None:
            self.limits.require_capacity()
            key = self._authenticator.authenticate(route.needs, token)
            if key is not None:
                self.limits.require_rate(key)
                context.key = key.id
        self.limits.in_flight += 1

    def close(self, context: RequestContext, scope: Scope) -> None:
        """Record an admitted request that has ended."""
        self.limits.in_flight -= 1
        self._record(context, scope)

    def _record(self, context: RequestContext, scope: Scope) -> None:
        seconds = perf_counter() - context.start
        context.status = scope.get(CLOSED_WITH, context.status or CLIENT_CLOSED_REQUEST)
        self._metrics.record(context, seconds)
        if self._log is not None:
            self._log.record(context, seconds, scope["method"])
        if self._tracing is not None:
            self._tracing.record_request(context, seconds, scope)
        scope.pop(CONTEXT, None)  # else scope and `send` of the server are a reference cycle


def _require_host(hosts: int, http_version: str) -> None:
    """Check the number of `Host` headers (RFC 9112, 3.2).

    Raises:
        HTTPException: there are several, or none in HTTP/1.1.
    """
    if hosts or http_version == "1.1":
        detail = f"the request has {hosts or 'no'} Host headers; allowed: one"
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, "host", detail)
