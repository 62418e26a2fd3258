"""A connection that a slow caller cannot hold for ever, and that a stopping server lets go well.

uvicorn limits only how long a connection may be idle between two requests. Here the headers and
the body of a request have their time too, headers their size, and an answer that nobody takes is
dropped after a while.

When the server stops, uvicorn closes idle connections at once, even if a caller's next request is
on its way on one of them. Here such a connection stays open for a moment: a request that comes is
answered with `Connection: close`, so that its caller knows.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from entrypoints.http.error_responses import refuse
from entrypoints.http.middleware.request_context import CUT, STOPPING
from entrypoints.http.route_table import route_of
from entrypoints.http.uvicorn.timeouts import Timeouts

_MOST_HEADER_BYTES = 65_536
_LINGER_SECONDS = 1.0
_CHECKS = 4


class Connection(HttpToolsProtocol):
    """uvicorn's connection, watched by one timer for as long as it lasts."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience: Timeouts = app_state.get("patience", Timeouts())
        self._watch: TimerHandle | None = None
        self._in_headers = True
        self._header_bytes = 0
        # When the caller began to send a request that is not whole yet; None while he need not.
        self._since: float | None = None
        self._unsent = (0, 0.0)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to watch: a caller has to say something."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._watch_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """End to watch."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the headers become too long."""
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"the headers are too long; allowed: {_MOST_HEADER_BYTES} bytes",
                )

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Note that the body may come; the last request of a stopping server is told so."""
        super().on_headers_complete()
        self._in_headers = False
        self._since = self.loop.time()
        if STOPPING in self.app_state:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        super().on_message_complete()
        self._since = None

    def shutdown(self) -> None:
        """Let the connection end with its next answer, or in a moment if nothing is asked."""
        self.app_state[STOPPING] = True
        if self._answering:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_LINGER_SECONDS, self._close_if_idle)

    @property
    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _close_if_idle(self) -> None:
        if not self._answering:
            self.transport.close()

    def _watch_on(self) -> None:
        shortest = min(self._patience.header_seconds, self._patience.body_seconds)
        self._watch = self.loop.call_later(shortest / _CHECKS, self._check)

    def _check(self) -> None:
        self._watch_on()
        now = self.loop.time()
        self._drop_if_stuck(now)
        if self._since is None or self.transport.is_closing():
            return
        if self._in_headers:
            # The answer to a request before this one comes first.
            if now - self._since > self._patience.header_seconds and not self._answering:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the headers took too long")
        elif now - self._since > self._patience.body_seconds:
            cast("dict[str, Any]", self.scope)[CUT] = HTTPStatus.REQUEST_TIMEOUT.value
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the body took too long")

    def _drop_if_stuck(self, now: float) -> None:
        """Drop a connection whose caller has not taken any of the answer for a while."""
        unsent = self.transport.get_write_buffer_size()
        before, since = self._unsent
        if not unsent or unsent != before:
            self._unsent = (unsent, now)
        elif now - since > self._patience.body_seconds:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer past the application, unless it has begun to answer, and close."""
        if self._in_headers or not self.cycle.response_started:
            self.transport.write(_answer(self._path(), status, detail))
        self.transport.close()

    def _path(self) -> str:
        return "" if self._in_headers else self.scope["path"]


def _answer(path: str, status: HTTPStatus, detail: str) -> bytes:
    """Return a whole answer, in the form of the path's protocol."""
    answer = refuse(route_of(path), status, detail)
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = f"HTTP/1.1 {status} {status.phrase}\r\n{headers}connection: close\r\n\r\n"
    return head.encode() + bytes(answer.body)
