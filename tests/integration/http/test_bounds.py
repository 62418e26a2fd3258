"""Callers that are slow, vanish or come in crowds: each is bounded, and harms nobody else."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.http.conftest import ready
from tests.integration.http.test_server import BODY, ROW, ask, connected, head
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Place, Server, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PROMPT_SECONDS = 5.0


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for its callers for a second only, and takes four requests at once."""
    made = place(
        tmp_path_factory.mktemp("impatient"),
        MODELPORT_HEADER_SECONDS="1",
        MODELPORT_BODY_SECONDS="1",
        MODELPORT_MAX_IN_FLIGHT="4",
        MODELPORT_ACCESS_LOG="json",
    )
    made.good("train", "--data", "sample:400", "--estimator", "dummy")
    with serving(made) as server:
        yield ready(server)
        assert "Traceback" not in server.said()
        assert server.stop() == 0


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    answer = b""
    while block := connection.recv(65_536):
        answer += block
    return answer


def trickle(connection: socket.socket, content: bytes) -> None:
    """Send a byte at a time, until the server has closed or it is all sent."""
    for position in range(len(content)):
        try:
            connection.sendall(content[position : position + 1])
        except OSError:
            return
        time.sleep(0.1)


def prompt(server: Server) -> None:
    """Check that others are answered meanwhile."""
    began = time.monotonic()
    assert ask(server, "/predict", BODY)[0] == 200
    assert time.monotonic() - began < PROMPT_SECONDS


def figure(server: Server, name: str) -> float:
    with connected(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        lines = everything(connection).decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("said", [b"", b"POST /predict HT", b"POST /predict HTTP/1.1\r\nHost: "])
def test_headers_that_do_not_come_are_not_waited_for(impatient: Server, said: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(said)
        prompt(impatient)
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"the headers took too long"' in answer
    assert figure(impatient, 'modelport_refusals_total{reason="headers_timeout"}') >= 1


def test_headers_that_trickle_are_cut_off_though_something_always_comes(impatient: Server) -> None:
    with connected(impatient) as connection, ThreadPoolExecutor() as pool:
        pool.submit(trickle, connection, b"GET / HTTP/1.1\r\nX: " + b"x" * 60)
        prompt(impatient)
        began = time.monotonic()
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < PROMPT_SECONDS


def is_cut_off(connection: socket.socket, piece: bytes) -> bool:
    """Send without end; return whether the server put one to it."""
    for _ in range(1_000):
        try:
            connection.sendall(piece)
        except OSError:
            return True
    return False


def test_headers_without_end_are_refused(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert is_cut_off(connection, b"X: " + b"x" * 65_536 + b"\r\n")
    prompt(impatient)
    assert figure(impatient, 'modelport_refusals_total{reason="headers_too_large"}') >= 1


def test_bytes_that_are_not_http_are_counted(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
    assert figure(impatient, 'modelport_refusals_total{reason="invalid_http"}') == 1


FORMS: dict[str, Callable[[Any], bool]] = {
    "/predict": lambda document: document["status"] == 408 and "too long" in document["detail"],
    "/v2/models/housing/infer": lambda document: "too long" in document["error"],
    "/invocations": lambda document: "too long" in document["message"],
}


@pytest.mark.parametrize("path", FORMS)
def test_a_body_that_trickles_is_cut_off_in_the_form_of_the_protocol(
    impatient: Server, path: str
) -> None:
    before = figure(impatient, 'modelport_requests_total{route="' + path[:5])
    request = head(f"Content-Length: {len(BODY)}").replace(b"/predict", path.encode())
    with connected(impatient) as connection, ThreadPoolExecutor() as pool:
        connection.sendall(request)
        pool.submit(trickle, connection, BODY[:60])
        prompt(impatient)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            answer += connection.recv(65_536)
    headers, _, content = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 408 ")
    assert FORMS[path](json.loads(content))
    wait_until(
        lambda: figure(impatient, 'modelport_requests_total{route="' + path[:5]) > before,
        STOP_SECONDS,
        impatient.said,
    )
    assert figure(impatient, 'modelport_refusals_total{reason="body_timeout"}') >= 1
    assert figure(impatient, "modelport_in_flight ") == 1


def test_a_body_that_comes_in_time_may_come_in_pieces(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(head(f"Content-Length: {len(BODY)}", "Connection: close"))
        for start in range(0, len(BODY), 50):
            connection.sendall(BODY[start : start + 50])
            time.sleep(0.01)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_a_full_server_says_when_to_come_back_and_recovers(impatient: Server) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(connected(impatient)) for _ in range(4)]
        for connection in waiting:
            connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY[:10])
        wait_until(lambda: ask(impatient, "/predict", BODY)[0] == 503, STOP_SECONDS, impatient.said)
        assert ask(impatient, "/health/live")[0] == 200
        for connection in waiting:
            connection.sendall(BODY[10:])
        for connection in waiting:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    prompt(impatient)


def test_callers_who_vanish_leave_nothing_behind(impatient: Server) -> None:
    for _ in range(20):
        with connected(impatient) as connection:
            connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY[:20])
        with connected(impatient) as connection:
            connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY)
    wait_until(lambda: figure(impatient, "modelport_in_flight ") == 1, STOP_SECONDS, impatient.said)
    prompt(impatient)
    assert figure(impatient, "modelport_in_flight ") == 1


def test_a_caller_that_reads_no_response_is_disconnected(impatient: Server) -> None:
    rows = 9_000
    body = json.dumps({"data": [ROW] * rows}).encode()

    def ended() -> bool:
        return f'"rows":{rows},' in impatient.told()

    def none_in_flight() -> bool:
        return figure(impatient, "modelport_in_flight ") == 1  # the request for the metrics

    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        host, _, port = impatient.url.removeprefix("http://").partition(":")
        connection.connect((host, int(port)))
        request = head(f"Content-Length: {len(body)}") + body
        connection.sendall(request * 2)
        prompt(impatient)
        wait_until(lambda: ended() and none_in_flight(), STOP_SECONDS, impatient.said)
    prompt(impatient)
    wait_until(none_in_flight, STOP_SECONDS, impatient.said)  # the second request may start late


def test_the_log_tells_of_each_request_and_of_no_data(impatient: Server) -> None:
    status, _ = ask(impatient, "/predict", BODY)
    assert status == 200

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in impatient.told().splitlines()]

    wait_until(lambda: any(line["rows"] == 1 for line in lines()), STOP_SECONDS, impatient.told)
    (line, *_) = [line for line in lines() if line["rows"] == 1]
    assert (line["route"], line["status"], line["method"]) == ("/predict", 200, "POST")
    assert line["model"] == "housing/1"
    assert str(ROW["longitude"]) not in impatient.told()


def test_each_line_of_the_server_s_own_log_may_be_json(served: Place) -> None:
    quiet = served.having(MODELPORT_LOG_FORMAT="json", MODELPORT_ACCESS_LOG="none")
    with serving(quiet) as server:
        wait_until(lambda: "ready: housing/1" in server.said(), STOP_SECONDS, server.said)
        assert ask(server, "/predict", BODY)[0] == 200
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.said().splitlines()]
        assert {"time", "level", "logger", "message"} <= {*lines[0]}
        assert server.told() == ""
