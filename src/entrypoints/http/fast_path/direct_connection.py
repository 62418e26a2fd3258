"""A connection that hands whole requests for predictions to `DirectAnswers`.

Many clients send headers and body apart. A request whose body is not complete after a few
milliseconds goes the ordinary way, as all others do: so uvicorn deals with everything that takes
time.
"""

from asyncio import AbstractEventLoop, TimerHandle
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from entrypoints.http.fast_path.direct_answers import PATH, DirectAnswers
from entrypoints.http.middleware.request_context import (
    CLIENT_CLOSED_REQUEST,
    CLOSED_WITH,
    CLOSING,
    CONTEXT,
    RequestContext,
)
from entrypoints.http.uvicorn.connection import Connection

_HOLD_SECONDS = 0.005
_MAX_HELD_BYTES = 65_536


class _Held:
    """The parser, as it was when the headers of a held request were complete."""

    def get_http_version(self) -> str:
        return "1.1"

    def get_method(self) -> bytes:
        return b"POST"

    def should_upgrade(self) -> bool:
        return False

    def should_keep_alive(self) -> bool:
        return True


class DirectConnection(Connection):
    """Holds a plain request until its body is complete, for a few milliseconds at most."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._direct: DirectAnswers | None = app_state.get("direct")
        # The body of the held request so far; None if no request is held.
        self._held: bytes | None = None
        # When the request has been held for long enough.
        self._timer_of_hold: TimerHandle | None = None
        # Whether the response to an accepted request is still to come.
        self._accepted = False

    @property
    def common_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response; another list when they change."""
        return self.server_state.default_headers

    def data_received(self, data: bytes) -> None:
        """Read data; a request that is still held at its end waits for more, not for long."""
        super().data_received(data)
        if self._held is None:
            return
        if len(self._held) > _MAX_HELD_BYTES:
            self._release()
        elif self._timer_of_hold is None:
            self._timer_of_hold = self.loop.call_later(_HOLD_SECONDS, self._release)

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        if self._accepted and self._direct is not None:
            self._direct.flush()
            self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._is_plain():
            self._held = b""
            self._in_headers = False
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        held = self._take_held()
        if held is None or self._direct is None:
            super().on_message_complete()
            return
        self._waiting_since = None
        self._accepted = True
        if CLOSING in self.app_state or not self._direct.accept(self, self.headers, held):
            self._start_held(held, complete=True)

    def respond(self, response: bytes) -> bool:
        """Send a response; return whether the caller is still there."""
        self._accepted = False
        if self.transport.is_closing():
            return False
        self.transport.write(response)
        self.server_state.total_requests += 1
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        return True

    def hand_over(self, content: bytes, context: RequestContext) -> None:
        """Let the application answer an admitted request with this body."""
        self._start_held(content, context, complete=True)

    def _refuse_malformed(self) -> None:
        self._release()
        if self._accepted and self._direct is not None:
            self._direct.flush()
        super()._refuse_malformed()

    def _take_held(self) -> bytes | None:
        if self._timer_of_hold is not None:
            self._timer_of_hold.cancel()
            self._timer_of_hold = None
        held, self._held = self._held, None
        return held

    def _release(self) -> None:
        """Let a request that is held, if there is one, go the ordinary way."""
        held = self._take_held()
        if held is not None:
            self._start_held(held)

    def _is_plain(self) -> bool:
        parser = self.parser
        return (
            self.url == PATH
            and self._direct is not None
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self._responding
            and not self.expect_100_continue
            and not self.flow.write_paused
            and CLOSING not in self.app_state
            and all(name != b"content-encoding" for name, _ in self.headers)
        )

    def _start_held(
        self, content: bytes, context: RequestContext | None = None, *, complete: bool = False
    ) -> None:
        """Start the application for the held request, as uvicorn does for others."""
        self._accepted = False
        parser = cast("httptools.HttpRequestParser | None", self.parser)
        self.parser = cast(httptools.HttpRequestParser, _Held())
        super().on_headers_complete()
        if context is not None:
            cast("dict[str, Any]", self.scope)[CONTEXT] = context
        if parser is None:  # the connection is lost
            cast("dict[str, Any]", self.scope)[CLOSED_WITH] = CLIENT_CLOSED_REQUEST
            self.cycle.disconnected = True
        super().on_body(content)
        if complete:
            super().on_message_complete()
        self.parser = cast(httptools.HttpRequestParser, parser)
