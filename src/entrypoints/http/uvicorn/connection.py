"""A connection with timeouts for slow callers and a graceful shutdown.

uvicorn limits only the time between two requests of a connection. This class also limits the time
for headers and body, the size of the headers, and the time for which a caller reads nothing of the
response.

A caller may send requests before the responses to earlier ones (pipelining). uvicorn tells only the
last of them that the connection is lost. This class also tells the one that is being answered.

When the server stops, uvicorn closes idle connections at once, even if the next request is already
on its way. This class keeps them open for a moment and answers a request that arrives with
`Connection: close`.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from entrypoints.http.error_responses import refusal
from entrypoints.http.middleware.request_context import (
    CLIENT_CLOSED_REQUEST,
    CLOSED_WITH,
    CLOSING,
)
from entrypoints.http.middleware.request_metrics import RequestMetrics
from entrypoints.http.route_table import route_of
from entrypoints.http.uvicorn.malformed_requests import MalformedRequests

_MAX_HEADER_BYTES = 65_536
_INVALID = "invalid_http"
_LINGER_SECONDS = 1.0
_CHECKS_PER_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for the headers of a request; for its body, and for reading some of the response."""

    header_seconds: float = 10.0
    body_seconds: float = 30.0


class Connection(HttpToolsProtocol):
    """A connection of uvicorn that one timer checks while it is open."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._timeouts: Timeouts = app_state.get("timeouts", Timeouts())
        self._timer: TimerHandle | None = None
        self._in_headers = True
        self._header_bytes = 0
        # Since when the server waits for the headers or the body; None between two requests.
        self._waiting_since: float | None = None
        # The size of the write buffer, and since when it is unchanged.
        self._unread = (0, 0.0)
        # The cycle that is being answered; `cycle` is the one that was read last.
        self._answered: RequestResponseCycle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.pipeline.clear()
        super().connection_lost(exc)
        cycle, self._answered = self._answered, None
        if cycle is None or cycle.response_complete:
            return
        if not cycle.response_started:
            cast("dict[str, Any]", cycle.scope).setdefault(CLOSED_WITH, CLIENT_CLOSED_REQUEST)
        cycle.disconnected = True
        cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Read data; refuse what is not HTTP, and headers that are too large."""
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except HttpParserError:
            self._refuse_malformed()
            return
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > _MAX_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "headers_too_large",
                    f"the headers are too large; allowed: {_MAX_HEADER_BYTES} bytes",
                )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._waiting_since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self._upgrades:
            return
        super().on_headers_complete()
        self._in_headers = False
        self._waiting_since = self.loop.time()
        if CLOSING in self.app_state:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if self._upgrades:
            return
        super().on_message_complete()
        self._waiting_since = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._waiting_since is not None:  # what follows was not read while it waited
            self._waiting_since = self.loop.time()

    def shutdown(self) -> None:
        """Close after the response in progress, or after a moment if the connection is idle."""
        self.app_state[CLOSING] = True
        if self._responding:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_LINGER_SECONDS, self._close_if_idle)

    @property
    def _upgrades(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _parse(self, data: bytes) -> None:
        """Parse data; a request for an upgrade is parsed again without it.

        There is no other protocol, so such a request is answered by this one. The parser takes its
        body for the other protocol. Clients that offer HTTP/2 send bodies with such requests.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                if not self._upgrades:
                    return
                kept = [header for header in self.headers if header[0] != b"upgrade"]
                lines = b"".join(b"%b: %b\r\n" % header for header in kept)
                start = b"%b %b HTTP/%b\r\n" % (
                    self.parser.get_method(),
                    self.url,
                    self.parser.get_http_version().encode(),
                )
                data = start + lines + b"\r\n" + data[upgrade.args[0] :]
            else:
                return

    @property
    def _responding(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _count(self, reason: str) -> None:
        metrics: RequestMetrics | None = self.app_state.get("metrics")
        if metrics is not None:
            metrics.refuse(reason)

    @property
    def _in_body(self) -> bool:
        return not self._in_headers and self._waiting_since is not None

    def _refuse_malformed(self) -> None:
        self.app_state.setdefault("malformed", MalformedRequests()).record(self.client, self.loop)
        if self.pipeline or (self._responding and not self._in_body):
            self._count(_INVALID)
            # A response now would be taken for that of the request before.
            if self._in_body:
                self._drop_queued()
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self._in_body:
            cast("dict[str, Any]", self.scope)[CLOSED_WITH] = HTTPStatus.BAD_REQUEST.value
        self._refuse(HTTPStatus.BAD_REQUEST, _INVALID, "the request is not valid HTTP")

    def _drop_queued(self) -> None:
        """Forget the request that was read last, which waits for the response to an earlier one."""
        self.pipeline.popleft()
        earlier = self.pipeline[0][0] if self.pipeline else self._answered
        self.cycle = cast(RequestResponseCycle, earlier)
        self._waiting_since = None

    def _close_if_idle(self) -> None:
        if not self._responding:
            self.transport.close()

    def _start_timer(self) -> None:
        shortest = min(self._timeouts.header_seconds, self._timeouts.body_seconds)
        self._timer = self.loop.call_later(shortest / _CHECKS_PER_TIMEOUT, self._check)

    def _check(self) -> None:
        self._start_timer()
        now = self.loop.time()
        self._abort_if_unread(now)
        if self._waiting_since is None or self.pipeline or self.transport.is_closing():
            return
        waited = now - self._waiting_since
        if self._in_headers:
            # A pipelined request waits until the response before it is complete.
            if waited > self._timeouts.header_seconds and not self._responding:
                self._refuse(
                    HTTPStatus.REQUEST_TIMEOUT, "headers_timeout", "the headers took too long"
                )
        elif waited > self._timeouts.body_seconds:
            cast("dict[str, Any]", self.scope)[CLOSED_WITH] = HTTPStatus.REQUEST_TIMEOUT.value
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "body_timeout", "the body took too long")

    def _abort_if_unread(self, now: float) -> None:
        """Abort if the caller has read nothing of the response within the timeout."""
        unread = self.transport.get_write_buffer_size()
        before, since = self._unread
        if not unread or unread != before:
            self._unread = (unread, now)
        elif now - since > self._timeouts.body_seconds:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, reason: str, detail: str) -> None:
        """Respond without the application, unless its response has started, and close."""
        self._count(reason)
        path = self.scope["path"] if self._in_body else ""
        if not self._in_body or not self.cycle.response_started:
            self.transport.write(_response(path, status, detail))
        self.transport.close()


def _response(path: str, status: HTTPStatus, detail: str) -> bytes:
    """Return a complete response, with the error format of the path's protocol."""
    response = refusal(route_of(path).protocol, status, detail)
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = f"HTTP/1.1 {status} {status.phrase}\r\n{headers}connection: close\r\n\r\n"
    return head.encode() + bytes(response.body)
