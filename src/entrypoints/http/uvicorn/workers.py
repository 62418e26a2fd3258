"""Worker processes, each with a listening socket of its own on the same port."""

import logging
import sys
from socket import SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET, socket

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from entrypoints.http.uvicorn.graceful_shutdown import GracefulServer

log = logging.getLogger("modelport")


def worker_sockets(config: Config) -> list[socket]:
    """Return one bound socket per worker: the kernel distributes connections among them.

    On a shared socket the worker that wakes first accepts all waiting connections. Only Linux
    distributes them; elsewhere there is one socket. The program ends if the port is taken.
    """
    first = config.bind_socket()  # logs the address, and exits if another program listens there
    if sys.platform != "linux":
        return [first]
    address = first.getsockname()
    first.close()
    return [_bound(first, address) for _ in range(config.workers)]


def _bound(like: socket, address: tuple[object, ...]) -> socket:
    listener = socket(like.family)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    listener.bind(address)
    listener.set_inheritable(True)
    return listener


class Worker(Process):
    """A process that runs a `GracefulServer`."""

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = GracefulServer(self.config)
        return self._server


class Workers(Multiprocess):
    """Supervises the worker processes; closes all listening sockets before they stop."""

    def init_processes(self) -> None:
        self.processes = [self._started(number) for number in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended or do not respond; stop if workers cannot start."""
        for number, worker in enumerate(self.processes):
            if self.should_exit.is_set() or worker.is_alive(self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                log.error("worker %s cannot start; the server stops", worker.pid)
                self.should_exit.set()
            else:
                log.error("worker %s has ended or does not respond; it is replaced", worker.pid)
                self.processes[number] = self._started(number)

    def terminate_all(self) -> None:
        """Close the listening sockets first, so that new callers are refused at once."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def _started(self, number: int) -> Process:
        worker = Worker(self.config, [self.sockets[number % len(self.sockets)]])
        worker.start()
        return worker
