"""A proxy that forwards a limited number of requests to a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit


class Proxy(ThreadingHTTPServer):
    """Forwards the first `allowed` requests and records them; it answers no other."""

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(server).netloc
        self.allowed: int | None = None
        self.forwarded: list[str] = []
        self._counting = Lock()

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.server_port}"

    def allow(self, requests: int | None) -> None:
        """Forward this number of requests from now on; None for all."""
        with self._counting:
            self.allowed, self.forwarded = requests, []

    def passes(self, request: str) -> bool:
        """Record a request if it may pass; return whether it may."""
        with self._counting:
            may = self.allowed is None or len(self.forwarded) < self.allowed
            if may:
                self.forwarded.append(request)
            return may


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

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
        """Log nothing."""


@contextmanager
def limited_proxy(server: str) -> Iterator[Proxy]:
    """Run a proxy of a server."""
    with Proxy(server) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
