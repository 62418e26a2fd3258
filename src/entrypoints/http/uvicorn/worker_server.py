"""A server that is one of several processes behind one listening socket.

All workers accept from the same socket: only a process that runs, and has time, accepts. A worker
that ended, hangs or was stopped holds no connection that waits. A worker with more connections than
another waits for a moment before it accepts, so that connections that come together are shared.
The supervisor and the worker send each other single bytes over a socket pair.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from enum import Enum
from socket import socket

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE

from entrypoints.http.middleware.request_context import NOT_READY
from entrypoints.http.uvicorn.graceful_shutdown import GracefulServer

log = logging.getLogger("modelport")

# Scope key of the state: a function that tells whether there is a model.
HAS_MODEL = "has_model"

_TICKS_PER_REPORT = 10  # a tick takes 0.1 seconds
_ACCEPT_RETRY_SECONDS = 1.0
_YIELD_SECONDS = 0.001

# The number of connections of a worker that does not accept.
CLOSED = -1


class Report(Enum):
    """What a worker tells the supervisor, at least once a second."""

    NO_MODEL = b"0"
    MODEL = b"1"


class Command(Enum):
    """What the supervisor tells a worker."""

    ACCEPT = b"a"  # accept connections
    READY = b"r"  # every worker that accepts has a model
    RETIRE = b"e"  # the other workers accept: finish the requests, then end


class WorkerServer(GracefulServer):
    """A uvicorn server that accepts connections when the supervisor tells it to."""

    def __init__(
        self,
        config: Config,
        listener: socket,
        supervisor: socket,
        counts: MutableSequence[int],
        own: int,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._supervisor = supervisor
        self._counts, self._own = counts, own  # connections of all workers; the index of this one
        self._reported: Report | None = None
        self._accepts = self._retires = False
        self._opening: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        supervisor.setblocking(False)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application; connections are accepted later, from the one listening socket."""
        del sockets
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        self.lifespan.state[NOT_READY] = "not every worker process has a model"
        asyncio.get_running_loop().add_reader(self._supervisor, self._obey)
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Report to the supervisor."""
        report = Report.MODEL if self.lifespan.state[HAS_MODEL]() else Report.NO_MODEL
        if report is not self._reported or counter % _TICKS_PER_REPORT == 0:
            self._reported = report
            with suppress(OSError):  # the supervisor does not read now, or has ended
                self._supervisor.send(report.value)
        self._count()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop accepting, and finish all requests; the last workers also empty the queue."""
        del sockets
        asyncio.get_running_loop().remove_reader(self._listener)
        self._counts[self._own] = CLOSED
        if self._accepts and not self._retires:
            await super().shutdown([self._listener])
        else:
            self._listener.close()
            await Server.shutdown(self)

    def _obey(self) -> None:
        try:
            commands = self._supervisor.recv(64)
        except BlockingIOError:
            return
        except OSError:
            commands = b""
        if not commands:  # the supervisor has ended
            asyncio.get_running_loop().remove_reader(self._supervisor)
            self.should_exit = True
        for byte in commands:
            command = Command(bytes([byte]))
            if command is Command.ACCEPT:
                self._accepts = True
                self._listen()
            elif command is Command.READY:
                self.lifespan.state.pop(NOT_READY, None)
            else:
                self._retires = self.should_exit = True

    def _listen(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._listener, self._share)

    def _count(self) -> int:
        """Publish and return the number of connections."""
        count = len(self.server_state.connections) + len(self._opening)
        if self._accepts and not self.should_exit:
            self._counts[self._own] = count
        return count

    def _share(self) -> None:
        """Accept one connection, after a moment if another worker has fewer."""
        if self._count() <= min(count for count in self._counts if count != CLOSED):
            self._accept()
        else:
            self._pause(_YIELD_SECONDS, self._accept_and_listen)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(seconds, then)

    def _accept_and_listen(self) -> None:
        if not self.should_exit:
            self._listen()
            self._accept()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker was faster, or the caller has disconnected
        except OSError as error:
            log.warning("no connection can be accepted now: %s", error)
            self._pause(_ACCEPT_RETRY_SECONDS, self._listen)
            return
        accepted.setblocking(False)
        task = loop.create_task(self._open(accepted))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket) -> None:
        with suppress(OSError):  # the caller may have disconnected
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, accepted)


def run_worker(
    config: Config,
    supervisor: socket,
    counts: MutableSequence[int],
    own: int,
    sockets: list[socket],
) -> None:
    """Run a worker in this process until the supervisor ends it, or has ended."""
    # uvicorn raises SIGTERM again after the last request; its default action would skip clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    WorkerServer(config, sockets[0], supervisor, counts, own).run()
