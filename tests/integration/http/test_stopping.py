"""A server that is told to stop while it is busy: no request that it took is lost."""

import asyncio
import http.client
import signal
import socket
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn import Config

from entrypoints.http.uvicorn.connection import Connection
from entrypoints.http.uvicorn.graceful_shutdown import GracefulServer
from tests.integration.http.conftest import ready
from tests.integration.http.test_server import BODY, ask, connected
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Place, Server, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CALLERS = 12
HEADERS = {"Content-Type": "application/json"}


@dataclass
class Caller:
    """Asks again and again on one connection, and a new one where the server closes it."""

    address: tuple[str, int]
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def call(self, enough: Event) -> None:
        while not enough.is_set():
            connection = http.client.HTTPConnection(*self.address, timeout=30)
            try:
                connection.connect()
            except ConnectionError:
                self.outcomes["refused"] += 1
                return
            with_connection = self._ask(connection, enough)
            connection.close()
            if not with_connection:
                return

    def _ask(self, connection: http.client.HTTPConnection, enough: Event) -> bool:
        while not enough.is_set():
            try:
                connection.request("POST", "/predict", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"after {self.outcomes}: {error!r}")
                return False
            self.outcomes[str(answer.status)] += 1
            if answer.getheader("connection") == "close":
                return True
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_under_load_no_request_fails_when_the_server_stops(served: Place, workers: int) -> None:
    with serving(served, "--workers", str(workers)) as server:
        ready(server, workers)
        address = urlsplit(server.url)
        assert address.hostname
        assert address.port
        callers = [Caller((address.hostname, address.port)) for _ in range(CALLERS)]
        enough = Event()
        threads = [Thread(target=caller.call, args=(enough,)) for caller in callers]
        for thread in threads:
            thread.start()
        try:
            wait_until(
                lambda: all(caller.outcomes["200"] > 20 for caller in callers),
                STOP_SECONDS,
                lambda: str(callers),
            )
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(STOP_SECONDS) == 0
        finally:
            enough.set()
            for thread in threads:
                thread.join(STOP_SECONDS)
        assert [fault for caller in callers for fault in caller.faults] == []
        assert {*sum((caller.outcomes for caller in callers), Counter())} == {"200", "refused"}
        assert "Traceback" not in server.said()


def test_an_open_connection_may_ask_once_more_and_learns_that_this_is_the_end(
    served: Place,
) -> None:
    with serving(served) as server:
        ready(server)
        with connected(server) as connection:
            request = b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n"
            connection.sendall(request)
            before = b""
            while not before.endswith(b"}"):
                before += connection.recv(65_536)
            assert before.startswith(b"HTTP/1.1 200 ")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "Shutting down" in server.said(), STOP_SECONDS, server.said)
            connection.sendall(request)
            answer = b""
            while block := connection.recv(65_536):
                answer += block
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close" in answer
        assert b"stopping" in answer
        assert server.process.wait(STOP_SECONDS) == 0


def test_who_is_connected_but_not_let_in_yet_is_answered_when_the_server_stops() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await PlainTextResponse("welcome")(scope, receive, send)

    config = Config(application, port=0, http=Connection, lifespan="off", log_config=None)

    async def scenario() -> list[bytes]:
        server = GracefulServer(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        # Connected by the kernel: while nothing is awaited, the server hears of none of them.
        callers = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(3)]
        early, late, gone = callers
        early.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        gone.close()
        stopping = asyncio.create_task(server.shutdown())
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=30)
        late.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await stopping
        return [everything(early), everything(late)]

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        answers = runner.run(scenario())
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"welcome")


def everything(connection: socket.socket) -> bytes:
    """Return what is said until the connection ends."""
    with connection:
        answer = b""
        while block := connection.recv(65_536):
            answer += block
        return answer


def asked(server: Server) -> float:
    """Return how many predictions all processes have answered."""
    with connected(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while block := connection.recv(65_536):
            text += block
    name = 'modelport_requests_total{route="/predict",status="200"} '
    found = [line for line in text.decode().splitlines() if line.startswith(name)]
    return float(found[0].removeprefix(name)) if found else 0.0


def test_whichever_worker_is_asked_tells_of_all(served: Place) -> None:
    with serving(served, "--workers", "2") as server:
        ready(server, times=2)
        for _ in range(40):
            assert ask(server, "/predict", BODY)[0] == 200
        for _ in range(10):
            wait_until(lambda: asked(server) == 40, STOP_SECONDS, lambda: str(asked(server)))
        assert server.stop() == 0
