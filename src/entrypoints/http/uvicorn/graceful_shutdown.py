"""A server that answers every caller that connected before it stopped listening.

The kernel completes a connection before the server accepts it, and resets the connections that
wait in the accept queue when the listening socket is closed. A worker that stops closes the
connections of its callers, who connect again: such connections are common. This server accepts
them before it stops.
"""

import os
from asyncio import AbstractEventLoop, Protocol, get_running_loop, sleep
from collections.abc import Iterator
from contextlib import suppress
from socket import socket
from typing import cast

from uvicorn import Server

from entrypoints.http.middleware.request_context import CLOSING, NOT_READY
from entrypoints.http.uvicorn.connection import Connection


class GracefulServer(Server):
    """A uvicorn server that accepts the waiting connections before it stops."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, accept the connections of the queue, and finish all requests."""
        listeners = sockets or [each for server in self.servers for each in server.sockets]
        duplicates = [socket(fileno=os.dup(listener.fileno())) for listener in listeners]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        self.lifespan.state |= {CLOSING: True, NOT_READY: "the server is stopping"}
        await sleep(0)  # the event loop closes the listening sockets; the duplicates stay open
        for accepted in [each for duplicate in duplicates for each in _accept_all(duplicate)]:
            with suppress(OSError):  # the caller may have disconnected
                await get_running_loop().connect_accepted_socket(self._connection, accepted)
        await super().shutdown(sockets)

    def _connection(self, loop: AbstractEventLoop | None = None) -> Protocol:
        make = cast("type[Connection]", self.config.http_protocol_class)
        return make(self.config, self.server_state, self.lifespan.state, loop)


def _accept_all(listener: socket) -> Iterator[socket]:
    """Accept the connections of the queue, and close the listening socket."""
    with listener, suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            yield accepted
