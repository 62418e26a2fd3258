"""A connection that hands whole requests for predictions to `DirectAnswers`.

A request whose body has not arrived together with its headers goes the ordinary way, as all others
do: so uvicorn deals with everything that takes time.
"""

from asyncio import AbstractEventLoop
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
    """Holds a plain request until its body is complete or no more data is there."""

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
        # Whether the response to an accepted request is still to come.
        self._accepted = False

    @property
    def common_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response; another list when they change."""
        return self.server_state.default_headers

    def data_received(self, data: bytes) -> None:
        """Read data; a request that is still held at its end goes the ordinary way."""
        super().data_received(data)
        if self._held is not None:
            held, self._held = self._held, None
            self._start_held(held)

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
        held, self._held = self._held, None
        if held is None or self._direct is None:
            super().on_message_complete()
            return
        self._waiting_since = None
        self._accepted = True
        if not self._direct.accept(self, self.headers, held):
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
        if self._held is not None:
            held, self._held = self._held, None
            self._start_held(held)
        elif self._accepted and self._direct is not None:
            self._direct.flush()
        super()._refuse_malformed()

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
