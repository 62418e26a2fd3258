"""A network that fails: it hands requests on to a server, up to some number of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit


class Network(ThreadingHTTPServer):
    """Hands on the first `allowed` requests, and answers no other; keeps what it handed on."""

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(server).netloc
        self.allowed: int | None = None
        self.passed: list[str] = []
        self._counting = Lock()

    @property
    def url(self) -> str:
        """Where a client reaches the server through this network."""
        return f"http://127.0.0.1:{self.server_port}"

    def allow(self, requests: int | None) -> None:
        """Hand on so many requests from now on; None for all."""
        with self._counting:
            self.allowed, self.passed = requests, []

    def passes(self, request: str) -> bool:
        """Keep one more request, if it may pass."""
        with self._counting:
            may = self.allowed is None or len(self.passed) < self.allowed
            if may:
                self.passed.append(request)
            return may


class _Handler(BaseHTTPRequestHandler):
    server: Network

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.server.passes(f"{self.command} {self.path}"):
            self.close_connection = True
            return
        connection = HTTPConnection(self.server.target, timeout=30)
        try:
            connection.request(self.command, self.path, content, dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server looks for these

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def network_before(server: str) -> Iterator[Network]:
    """Run a network in front of a server."""
    with Network(server) as network:
        thread = Thread(target=network.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield network
        finally:
            network.shutdown()
            thread.join()
