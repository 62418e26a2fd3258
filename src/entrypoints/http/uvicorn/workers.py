"""Servers that lose no caller when they stop.

A caller is connected as soon as the kernel says so, before the server has heard of it. When a
listening socket is closed, the kernel breaks off all those connections: callers who came at the
wrong moment, as they do when another process of the server has just told them to come anew. Here
they are let in first.
"""

import logging
import os
from asyncio import AbstractEventLoop, Protocol, get_running_loop, sleep
from collections.abc import Iterator
from contextlib import suppress
from socket import socket

from uvicorn import Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from entrypoints.http.middleware.request_context import STOPPING
from entrypoints.http.uvicorn.connection import Connection

log = logging.getLogger("modelport")


class GracefulServer(Server):
    """A server that answers whoever has connected before it stopped listening."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop: nobody else comes, and who is here is answered."""
        listeners = sockets or [each for server in self.servers for each in server.sockets]
        doors = [socket(fileno=os.dup(listener.fileno())) for listener in listeners]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        self.lifespan.state[STOPPING] = True
        await sleep(0)  # from now on nothing but the doors keeps the port open
        for caller in [caller for door in doors for caller in _let_in(door)]:
            with suppress(OSError):  # it may have hung up
                await get_running_loop().connect_accepted_socket(self._connection, caller)
        await super().shutdown(sockets)

    def _connection(self, loop: AbstractEventLoop | None = None) -> Protocol:
        return Connection(self.config, self.server_state, self.lifespan.state, loop)


def _let_in(door: socket) -> Iterator[socket]:
    """Let in whoever waits, and close at once."""
    with door, suppress(BlockingIOError):
        door.setblocking(False)
        while True:
            caller, _ = door.accept()
            caller.setblocking(False)
            yield caller


class Worker(Process):
    """A process that runs a patient server."""

    @property
    def server(self) -> Server:
        """The server of this process."""
        if self._server is None:
            self._server = GracefulServer(self.config)
        return self._server


class Workers(Multiprocess):
    """Worker processes, each with a listening socket of its own, or all with the only one.

    When they stop, none of them or their parent holds the port any longer.
    """

    def init_processes(self) -> None:
        """Start all workers."""
        self.processes = [self._started(place) for place in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Start another worker for each that has ended or says nothing; end if none can start."""
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set() or worker.is_alive(self._patience):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                log.error("worker %s cannot start, so none can", worker.pid)
                self.should_exit.set()
            else:
                log.error("worker %s has ended or hung; another one starts", worker.pid)
                self.processes[place] = self._started(place)

    def terminate_all(self) -> None:
        """Let the port go first: a caller who comes now is refused, and not left waiting."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    @property
    def _patience(self) -> float:
        return self.config.timeout_worker_healthcheck

    def _started(self, place: int) -> Process:
        worker = Worker(self.config, [self.sockets[place % len(self.sockets)]])
        worker.start()
        return worker
