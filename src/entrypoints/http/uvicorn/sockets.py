"""The sockets on which the workers of a server listen."""

import sys
from socket import SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET, socket

from uvicorn import Config


def listeners(config: Config) -> list[socket]:
    """Return a socket for each worker, bound to the same port: the kernel deals callers out.

    Of a socket that all of them share, the worker that wakes first takes every caller who waits:
    one works, the others look on. Only Linux deals them out; elsewhere it is the one socket.
    The program ends where the port is taken.
    """
    alone = config.bind_socket()  # fails where somebody else listens there, and tells the address
    if sys.platform != "linux":
        return [alone]
    address = alone.getsockname()
    alone.close()
    return [_bound(alone, address) for _ in range(config.workers)]


def _bound(like: socket, address: tuple[object, ...]) -> socket:
    listener = socket(like.family)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    listener.bind(address)
    listener.set_inheritable(True)
    return listener
