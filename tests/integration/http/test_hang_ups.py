"""Callers who hang up in every state of a request: 499 in log and metrics, never a traceback."""

import json
import random
import socket
import struct
import time
from collections.abc import Sequence

import pytest

from tests.integration.http.test_server import BODY, ROW, ask, connected
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PAUSES = (0.0, 0.0005, 0.003, 0.02)
ROUNDS = 150


def request(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers)
    length = () if method != "POST" else (f"Content-Length: {len(body)}",)
    return "\r\n".join((*lines, *length, "", "")).encode() + body


def rows(count: int) -> bytes:
    return json.dumps({"data": [ROW] * count}).encode()


def chunked(body: bytes) -> bytes:
    head = request("/predict", b"", "Transfer-Encoding: chunked", method="PUT")
    return head.replace(b"PUT", b"POST") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


TENSORS = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]})
RECORDS = json.dumps({"dataframe_records": [ROW] * 2_000}).encode()
PAGE = request("/docs", method="GET")

# What a caller sends, without the last bytes or with a request behind it, and the route in the log.
SLOW = {
    "while the body is read": (request("/predict", BODY)[:-9], "/predict"),
    "while a chunked body is read": (chunked(BODY)[:-9], "/predict"),
    "while a body for MLflow's route is read": (request("/invocations", RECORDS)[:-9], "/invoc"),
    "while rows are predicted": (request("/predict", rows(5_000)), "/predict"),
    "with another request behind": (request("/predict", rows(5_000)) + PAGE, "/predict"),
    "with garbage behind": (request("/predict", rows(5_000)) + b"garbage\r\n\r\n", "/predict"),
    "with a request to explain behind": (
        request("/predict", rows(5_000)) + request("/explain", rows(100)),
        "/predict",
    ),
}

REQUESTS = (
    request("/predict", BODY),
    request("/predict", BODY, "Expect: 100-continue"),
    request("/predict", BODY, "Connection: close"),
    request("/predict", b"{"),
    request("/predict", rows(2_000)),
    chunked(BODY),
    request("/explain", rows(20)),
    request("/v2/models/housing/infer", TENSORS.encode()),
    request("/invocations", RECORDS),
    PAGE,
    request("/swagger/swagger-ui-bundle.js", method="GET"),
    request("/openapi.json", method="GET"),
    request("/model", method="GET"),
    request("/metrics", method="GET"),
    request("/health", method="HEAD"),
    b"garbage\r\n\r\n",
)


def hang_up(server: Server, content: bytes, pause: float = 0.0, *, reset: bool = True) -> None:
    """Send something and close the connection, by a reset or in order."""
    with connected(server) as connection:
        try:
            connection.sendall(content)
            time.sleep(pause)
        except OSError:
            return  # the server has refused the rest
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed(server: Server, route: str) -> int:
    lines = [line for line in server.told().splitlines() if f'"route":"{route}' in line]
    return sum('"status":499,' in line for line in lines)


@pytest.mark.parametrize("state", SLOW)
def test_a_caller_who_hangs_up_is_logged_as_such(either_server: Server, state: str) -> None:
    content, route = SLOW[state]
    before = closed(either_server, route)

    def logged() -> bool:
        hang_up(either_server, content)
        return closed(either_server, route) > before

    wait_until(logged, STOP_SECONDS, either_server.told)
    metrics = 'status="499"'
    wait_until(lambda: metrics in text(either_server, "/metrics"), STOP_SECONDS, either_server.said)
    assert "Traceback" not in either_server.said()


def test_no_hang_up_writes_a_traceback(either_server: Server) -> None:
    choice = random.Random(11)
    for _ in range(ROUNDS):
        content = b"".join(pipelined(choice))
        if choice.random() < 0.5:
            content = content[: choice.randrange(1, len(content))]
        hang_up(either_server, content, choice.choice(PAUSES), reset=choice.random() < 0.5)
    assert ask(either_server, "/predict", BODY)[0] == 200
    assert "Traceback" not in either_server.said()
    assert "ERROR" not in either_server.said()


def pipelined(choice: random.Random) -> Sequence[bytes]:
    return choice.choices(REQUESTS, k=choice.choice((1, 1, 2, 3, 6)))


def text(server: Server, path: str) -> str:
    with connected(server) as connection:
        connection.sendall(request(path, b"", "Connection: close", method="GET"))
        content = b""
        while block := connection.recv(65_536):
            content += block
    return content.decode()
