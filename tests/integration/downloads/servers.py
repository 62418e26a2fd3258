"""An HTTP server whose responses a test defines; it records the requests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeAlias


@dataclass(frozen=True)
class Answer:
    """A response. `length` is sent as `Content-Length`, even if it is wrong."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


Behaviour: TypeAlias = Callable[[Mapping[str, str]], Answer]


@dataclass
class Server:
    """`behave` makes each response; `requests` holds the headers of all requests."""

    url: str
    behave: Behaviour
    requests: list[Mapping[str, str]] = field(default_factory=list)


@contextmanager
def serving(behave: Behaviour) -> Iterator[Server]:
    """Run a server on a free port of 127.0.0.1 until the block is left."""
    server: Server

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append({**headers, "path": self.path, "method": self.command})
            answer = server.behave(server.requests[-1])
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.length is None else answer.length
            if answer.status != 304:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = length != len(answer.body)

        do_POST = do_GET  # noqa: N815 - what the base class looks for

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_port}", behave)
    thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def part_of(content: bytes, request: Mapping[str, str], **headers: str) -> Answer:
    """Answer like a server that supports ranges."""
    wanted = request.get("range", "")
    if not wanted or request.get("if-range", headers.get("ETag")) != headers.get("ETag"):
        return Answer(content, headers=headers)
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= len(content):
        return Answer(status=416, headers=headers)
    shown = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    return Answer(content[start:], 206, {**headers, **shown})
