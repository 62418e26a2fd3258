"""A wire between a client and a server, which a test can cut and mend."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock, Thread
from urllib.parse import urlsplit

_BLOCK = 1 << 16


class Wire:
    """Hands connections on to a server; while it is cut, they are refused and open ones end."""

    def __init__(self, to: str) -> None:
        parts = urlsplit(to)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = int(self._listener.getsockname()[1])
        self._lock = Lock()
        self._whole = True
        self._open: list[socket.socket] = []
        self._carrying: list[Thread] = []
        self._accepting = _started(self._accept)

    @property
    def url(self) -> str:
        """Where the server is reached by way of this wire."""
        return f"http://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Let the server be out of reach, as if its process had been killed."""
        if not self._whole:
            return
        with self._lock:
            self._whole = False
            for end in (self._listener, *self._open):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        while self._carrying:
            self._carrying.pop().join()

    def mend(self) -> None:
        """Let the server be reached again, at the same address."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._whole = True
        self._accepting = _started(self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._carrying.append(_started(partial(self._carry, near)))

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._server) as far:
            with self._lock:
                if not self._whole:
                    return
                self._open += [near, far]
            back = _started(partial(_hand_on, far, near))
            _hand_on(near, far)
            back.join()
            with self._lock:
                self._open.remove(near)
                self._open.remove(far)


def _started(task: Callable[[], None]) -> Thread:
    thread = Thread(target=task)
    thread.start()
    return thread


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def wire(to: str) -> Iterator[Wire]:
    """Give a wire to a server, which is gone afterwards with all its connections."""
    made = Wire(to)
    try:
        yield made
    finally:
        made.cut()
