"""The server as a process of its own, spoken to over a socket."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.integration.http.conftest import ready
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Place, Server, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ROW = {
    "longitude": -122.23,
    "latitude": 37.88,
    "housing_median_age": 41,
    "total_rooms": 880,
    "total_bedrooms": 129,
    "population": 322,
    "households": 126,
    "median_income": 8.3252,
    "ocean_proximity": "NEAR BAY",
}
BODY = json.dumps({"data": [ROW]}).encode()


def ask(
    server: Server, path: str, body: bytes | None = None, seconds: float = 30
) -> tuple[int, Any]:
    """Return status and document of an answer."""
    request = Request(f"{server.url}{path}", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=seconds) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        yield connection


def head(*headers: str) -> bytes:
    lines = (
        "POST /predict HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        *headers,
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def exchange(server: Server, *parts: bytes) -> bytes:
    """Return what comes back for raw bytes, until the server closes the connection."""
    with connected(server) as connection:
        for part in parts:
            connection.sendall(part)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    answer = b""
    while block := connection.recv(65_536):
        answer += block
    return answer


def test_every_endpoint_answers(either_server: Server) -> None:
    status, answer = ask(either_server, "/predict", BODY)
    assert (status, answer["model"], len(answer["predictions"])) == (200, "housing/1", 1)
    assert ask(either_server, "/health") == (200, {"status": "ok"})
    assert ask(either_server, "/health/live") == (200, {"live": True})
    status, state = ask(either_server, "/health/ready")
    assert (status, state["ready"], state["model"]) == (200, True, "housing/1")
    status, model = ask(either_server, "/model")
    assert (status, model["data"]["simulated"]) == (200, True)
    status, document = ask(either_server, "/openapi.json")
    row = document["components"]["schemas"]["Row"]
    assert (status, [*row["properties"]]) == (200, [*ROW])
    assert row["properties"]["median_income"]["description"].endswith(
        "Unit: 10,000 USD a year. Allowed: a number from 0 to 100 (10,000 USD a year)."
    )


def test_the_answer_is_that_of_the_command_line(either_server: Server, served: Place) -> None:
    alone = served.good("predict-one", json.dumps(ROW), "--json").document
    assert alone.pop("extrapolates") == [[]]  # a server tells that only where it is asked
    assert ask(either_server, "/predict", BODY) == (200, alone)


@pytest.mark.parametrize("length", ["x", "-1", "1.5", "9" * 40])
def test_a_length_that_is_none_is_the_caller_s_fault(either_server: Server, length: str) -> None:
    answer = exchange(either_server, head(f"Content-Length: {length}", "Connection: close"), BODY)
    assert answer.split(b" ")[1].startswith(b"4"), answer
    assert ask(either_server, "/predict", BODY)[0] == 200


def test_head_is_answered_without_a_body(either_server: Server) -> None:
    paths = ("/health", "/health/ready", "/ping", "/metrics", "/docs", "/v2", "/v2/models/housing")
    requests = [f"HEAD {path} HTTP/1.1\r\nHost: x\r\n" for path in paths]
    answer = exchange(either_server, "\r\n".join(requests).encode() + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == len(paths)
    assert answer.endswith(b"\r\n\r\n")
    assert not set(b"{<#") & set(answer)


def test_a_request_that_offers_another_protocol_keeps_its_body(either_server: Server) -> None:
    offer = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
    offering = head(*offer, f"Content-Length: {len(BODY)}")
    last = head(f"Content-Length: {len(BODY)}", "Connection: close")
    for parts in ([offering, BODY, last, BODY], [offering + BODY + offering + BODY + last + BODY]):
        answer = exchange(either_server, *parts)
        assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 OK\r\n")
        assert answer.count(b'{"predictions":[') == b"".join(parts).count(BODY)


@pytest.mark.parametrize("host", ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nX: y\r\nhost: b\r\n"])
def test_no_host_or_several_are_refused(either_server: Server, host: str) -> None:
    request = f"GET /health HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
    assert exchange(either_server, request.encode()).startswith(b"HTTP/1.1 400 ")
    assert exchange(either_server, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


MALFORMED = [
    b"NONSENSE\r\n\r\n",
    b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    head("Transfer-Encoding: chunked") + b"nonsense\r\n",
]


def test_malformed_requests_are_refused_and_do_not_fill_the_log(either_server: Server) -> None:
    for request in MALFORMED * 5:
        answer = exchange(either_server, request)
        assert answer.startswith(b"HTTP/1.1 400 "), request
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400
    for _ in range(5):  # an upgrade is not supported, and the request is answered without
        upgrade = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        with connected(either_server) as connection:
            connection.sendall(upgrade)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    said = [line for line in either_server.said().splitlines() if "WARNING" in line]
    assert len([line for line in said if "HTTP" in line or "pgrade" in line]) == 1
    assert "a request from 127.0.0.1 port " in said[-1]


def test_what_follows_a_request_does_not_take_its_answer(either_server: Server) -> None:
    request = head(f"Content-Length: {len(BODY)}") + BODY
    answer = exchange(either_server, request + b"NONSENSE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b" 200 OK") == 1


def test_a_body_in_pieces_is_read_whole(either_server: Server) -> None:
    pieces = (b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:10], BODY[10:]))
    answer = exchange(
        either_server,
        head("Transfer-Encoding: chunked", "Connection: close"),
        *pieces,
        b"0\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_in_pieces_without_end_is_cut_off(served: Place) -> None:
    with serving(served.having(MODELPORT_MAX_BODY_BYTES="1000")) as server:
        ready(server)
        piece = b"%x\r\n%b\r\n" % (600, b"[" * 600)
        with connected(server) as connection:
            connection.sendall(head("Transfer-Encoding: chunked") + piece + piece)
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in answer


def test_a_caller_who_hangs_up_is_no_fault(either_server: Server) -> None:
    with connected(either_server) as connection:
        connection.sendall(head("Content-Length: 1000") + BODY[:10])
    assert ask(either_server, "/predict", BODY)[0] == 200
    assert "Traceback" not in either_server.said()
    assert "Exception" not in either_server.said()


def test_on_sigterm_a_request_in_flight_is_finished(served: Place) -> None:
    with serving(served) as server:
        ready(server)
        with connected(server) as connection:
            connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY[:10])
            ask(server, "/health")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "Shutting down" in server.said(), STOP_SECONDS, server.said)
            connection.sendall(BODY[10:])
            answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"model":' in answer
        assert server.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in server.said()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_well(served: Place, sign: signal.Signals) -> None:
    with serving(served) as server:
        ready(server)
        server.process.send_signal(sign)
        assert server.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in server.said()


def test_two_workers_answer_for_the_model_that_was_named(served: Place) -> None:
    with serving(served, "--workers", "2", "--model", "housing/2") as server:
        ready(server, times=2)
        answers = {json.dumps(ask(server, "/predict", BODY)) for _ in range(20)}
        assert len(answers) == 1
        assert json.loads(answers.pop())[1]["model"] == "housing/2"
        assert server.stop() == 0


def test_a_port_that_is_taken_is_told(server: Server, served: Place) -> None:
    port = str(urlsplit(server.url).port)
    for workers in ("1", "2"):
        ran = served.run("serve", "--port", port, "--workers", workers)
        assert ran.code == 69, ran
        assert "address already in use" in ran.err.lower()
        assert f"cannot start on 127.0.0.1 port {port}" in ran.err


def test_a_server_waits_for_the_first_model(served: Place) -> None:
    new = served.having(MODELPORT_HOME="new")
    with serving(new) as server:
        wait_until(lambda: "not ready" in server.said(), STOP_SECONDS, server.said)
        status, problem = ask(server, "/predict", BODY)
        assert (status, problem["status"]) == (503, 503)
        assert "no model 'housing'" in problem["detail"]
        assert ask(server, "/health/ready")[0] == 503
        assert ask(server, "/health/live")[0] == 200
        new.good("train", "--data", "sample:300", "--estimator", "dummy")
        wait_until(lambda: ask(server, "/health/ready")[0] == 200, STOP_SECONDS, server.said)
        assert ask(server, "/predict", BODY)[0] == 200
        assert server.said().count("not ready") == 1
