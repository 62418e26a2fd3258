"""Requests that are answered without ASGI: the same bytes, counts and log as through uvicorn."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.security.api_keys import Scope, create_api_key
from entrypoints.http.fast_path.direct_connection import DirectConnection
from entrypoints.http.middleware.request_context import CLOSING
from entrypoints.http.uvicorn.connection import Connection
from entrypoints.wiring.container import Container
from entrypoints.wiring.settings import Accelerators
from tests.fakes.model import LinearPredictor, MemoryRuntime
from tests.fakes.security import MemoryKeyStore
from tests.support.orchard import planted
from tests.support.raw_connection import RawServer, raw_server
from tests.support.samples import SCHEMA

ROW = SCHEMA.example
BROKEN = 12.0
KEY = create_api_key("a key", [Scope.PREDICT], bytes(54), datetime(2026, 1, 1, tzinfo=UTC))


def request(body: object, *headers: str, path: str = "/predict", method: str = "POST") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(content)}"]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


ONE = request({"data": [ROW]}, "X-Request-ID: one")
OPTIONS = request({"data": [ROW], "interval": 0.9, "extrapolates": True}, "X-Request-ID: options")
INVALID = request({"data": [{**ROW, "height": -1}]}, "X-Request-ID: invalid")
FAILING = request({"data": [{**ROW, "height": BROKEN}]}, "X-Request-ID: failing")
LAST = request({"data": [ROW]}, "X-Request-ID: last", "Connection: close")
TEXT = json.dumps({"data": [ROW]}).encode()
CHUNKED = ONE.replace(b"Content-Length: %d" % len(TEXT), b"Transfer-Encoding: chunked").replace(
    TEXT, b"%x\r\n%b\r\n0\r\n\r\n" % (len(TEXT), TEXT)
)
KINDS = {Accelerators.ALL: DirectConnection, Accelerators.NONE: Connection}
REQUESTS: Mapping[str, bytes] = {
    "one": ONE,
    "rows": request({"data": [ROW, {**ROW, "age": None}]}, "X-Request-ID: rows"),
    "options": OPTIONS,
    "no such level": request({"data": [ROW], "interval": 2}, "X-Request-ID: level"),
    "invalid": INVALID,
    "failing": FAILING,
    "not JSON": request(b"{", "X-Request-ID: broken"),
    "another type": request({"data": [ROW]}, "Content-Type: text/csv", "X-Request-ID: type"),
    "another encoding": request(b"x", "Content-Encoding: br", "X-Request-ID: br"),
    "compressed": request(gzip.compress(TEXT), "Content-Encoding: gzip", "X-Request-ID: gzip"),
    "damaged": request(TEXT, "Content-Encoding: gzip", "X-Request-ID: damaged"),
    "no host": ONE.replace(b"Host: x\r\n", b""),
    "two hosts": ONE.replace(b"Host: x\r\n", b"Host: x\r\nHost: x\r\n"),
    "too many rows": request({"data": [ROW] * 51}, "X-Request-ID: many"),
    "too long": request(b" " * 30_000, "X-Request-ID: long"),
    "on a thread": request({"data": [ROW] * 50}, "X-Request-ID: fifty"),
    "last": LAST,
    "chunked": CHUNKED,
    "with a query": request({"data": [ROW]}, "X-Request-ID: q", path="/predict?x=1"),
    "escaped": request({"data": [ROW]}, "X-Request-ID: e", path="/%70redict"),
    "another path": request({"dataframe_records": [ROW]}, "X-Request-ID: m", path="/invocations"),
    "another method": request(b"", "X-Request-ID: get", method="GET"),
    "HTTP 1.0": ONE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "expecting": request({"data": [ROW]}, "Expect: 100-continue", "X-Request-ID: 100"),
    "not HTTP": b"hello\r\n\r\n",
    "upgrade": request({"data": [ROW]}, "Connection: upgrade", "Upgrade: h2c", "X-Request-ID: up"),
}


class Broken(LinearPredictor):
    """A predictor that fails for the highest trees."""

    def predict(self, matrix: Matrix) -> Vector:
        if (matrix[:, 0] == BROKEN).any():
            raise ZeroDivisionError
        return super().predict(matrix)


class BrokenRuntime(MemoryRuntime):
    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        sound = super().load(schema, files)
        return Broken(**{name: getattr(sound, name) for name in sound.__dataclass_fields__})


def container(kind: Accelerators, **settings: object) -> Container:
    return planted(accelerators=kind, max_rows=50, max_body_bytes=20_000, **settings)


def outcome(
    talk: Callable[[RawServer], Any], kind: Accelerators, wired: Container | None = None
) -> tuple[Any, dict[str, float]]:
    """Return what a conversation with a server returns, and the counts of its metrics."""

    async def run() -> tuple[Any, dict[str, float]]:
        async with raw_server(wired or container(kind), KINDS[kind]) as server:
            result = await talk(server)
            page = (await server.exchange([request(b"", path="/metrics", method="GET")])).decode()
            lines = (line.rpartition(" ") for line in page.splitlines() if " " in line)
            counts = {
                name: float(value)
                for name, _, value in lines
                if re.match(r"modelport_(requests|rows|rejects|refusals|in_flight)", name)
            }
            return result, counts

    return asyncio.run(run())


def both(talk: Callable[[RawServer], Any], **settings: object) -> Any:
    """Return what a conversation returns, after checking that both connections agree."""
    direct, ordinary = (outcome(talk, kind, container(kind, **settings)) for kind in Accelerators)
    assert direct == ordinary
    return direct[0]


def test_every_request_gets_the_same_bytes() -> None:
    async def talk(server: RawServer) -> dict[str, bytes]:
        answers = {}
        for name, content in REQUESTS.items():
            server.app.pipeline._numbers = iter(range(10**6))  # type: ignore[assignment] # same ids
            server.app.pipeline._id_prefix = b"id-"
            answers[name] = await server.exchange([content])
        return answers

    answers = both(talk)
    assert answers["one"].startswith(b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: ")
    assert b'\r\nx-request-id: one\r\n\r\n{"predictions":[' in answers["one"]
    statuses = {name: answer.partition(b" ")[2][:3] for name, answer in answers.items()}
    assert {statuses[n] for n in ("one", "rows", "options", "last", "chunked")} == {b"200"}
    assert [statuses[n] for n in ("invalid", "not JSON", "too long", "another type")] == [
        b"422",
        b"400",
        b"413",
        b"415",
    ]


def _leave(loop: asyncio.AbstractEventLoop, context: AbstractAsyncContextManager[Any]) -> None:
    loop.run_until_complete(context.__aexit__(None, None, None))


def _exchange(loop: asyncio.AbstractEventLoop, server: RawServer, pieces: Sequence[bytes]) -> bytes:
    return loop.run_until_complete(server.exchange(pieces))


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Callable[[Sequence[bytes]], bytes]]]:
    """Return one function per kind of connection: from pieces of requests to all responses."""
    with asyncio.Runner() as runner, ExitStack() as stack:
        loop = runner.get_loop()
        found: list[Callable[[Sequence[bytes]], bytes]] = []
        for kind, connection in KINDS.items():
            context = raw_server(container(kind), connection)
            server = loop.run_until_complete(context.__aenter__())
            stack.callback(partial(_leave, loop, context))
            found.append(partial(_exchange, loop, server))
        yield found


@given(
    st.lists(st.sampled_from([ONE, OPTIONS, INVALID, CHUNKED, LAST]), min_size=1, max_size=5),
    st.lists(st.integers(0, 2_000), max_size=6),
)
def test_pipelined_requests_in_any_pieces_get_the_same_bytes_in_their_order(
    exchanges: Sequence[Callable[[Sequence[bytes]], bytes]],
    requests: Sequence[bytes],
    cuts: Sequence[int],
) -> None:
    content = b"".join(requests)
    ends = [*sorted(cut for cut in cuts if cut < len(content)), len(content)]
    pieces = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    answer, other = (exchange(pieces) for exchange in exchanges)
    assert answer == other
    ids = re.findall(rb"x-request-id: (\w+)", answer)
    asked = re.findall(rb"X-Request-ID: (\w+)", content)
    last = asked.index(b"last") + 1 if b"last" in asked else len(asked)
    assert ids == asked[:last]


def test_requests_of_one_turn_share_one_call_of_the_model() -> None:
    async def talk(server: RawServer) -> list[bytes]:
        before = server.state["direct"]._batcher.calls.count
        callers = [server.connect() for _ in range(5)]
        for connection, _ in callers:
            connection.data_received(ONE)
        await server.settle()
        assert server.state["direct"]._batcher.calls.count == before + 1
        assert {transport.writes for _, transport in callers} == {1}
        return [transport.written for _, transport in callers]

    answers, counts = outcome(talk, Accelerators.ALL)
    assert len({*answers}) == 1
    assert counts['modelport_requests_total{route="/predict",status="200"}'] == 5
    assert counts["modelport_in_flight"] == 1  # the request for the metrics


def test_a_caller_who_hangs_up_before_the_response_is_recorded_as_499() -> None:
    async def talk(server: RawServer) -> list[bytes]:
        written = []
        for content in (ONE, INVALID):
            connection, transport = server.connect()
            connection.data_received(content)
            transport.closed = True
            connection.connection_lost(None)
            await server.settle()
            written.append(transport.written)
        return written

    answers, counts = outcome(talk, Accelerators.ALL)
    assert answers == [b"", b""]
    assert counts['modelport_requests_total{route="/predict",status="499"}'] == 2
    assert counts["modelport_in_flight"] == 1


def test_an_error_of_the_model_is_reported_by_the_application() -> None:
    results = []
    for kind in Accelerators:
        wired = container(kind)
        wired.runtime.override(providers.Object(BrokenRuntime()))
        results.append(outcome(lambda server: server.exchange([FAILING, ONE]), kind, wired))
    assert results[0] == results[1]
    statuses = re.findall(rb"HTTP/1.1 (\d+)", results[0][0])
    assert statuses == [b"500", b"200"]


def test_keys_and_rate_limits_hold() -> None:
    results = []
    for kind in Accelerators:
        wired = container(kind)
        limited = create_api_key(
            "limited", [Scope.PREDICT], bytes([1] * 54), datetime(2026, 1, 1, tzinfo=UTC), rate=2
        )
        wired.key_store.override(providers.Object(MemoryKeyStore(KEY.key, limited.key)))
        asked = [
            request({"data": [ROW]}, *headers, "X-Request-ID: a")
            for headers in (
                (),
                ("X-API-Key: wrong",),
                (f"X-API-Key: {KEY.token}",),
                *[(f"Authorization: Bearer {limited.token}",)] * 3,
            )
        ]
        asked += [request({"data": [{}]}, f"X-API-Key: {KEY.token}", "X-Request-ID: a")]
        results.append(outcome(partial(_statuses, requests=asked), kind, wired)[0])
    assert results == [[b"401", b"401", b"200", b"200", b"200", b"429", b"422"]] * 2


async def _statuses(server: RawServer, requests: Sequence[bytes]) -> list[bytes]:
    return [(await server.exchange([each])).partition(b" ")[2][:3] for each in requests]


def test_a_full_server_refuses_and_an_invalid_request_counts_once() -> None:
    async def talk(server: RawServer) -> list[bytes]:
        limits = server.app.pipeline.limits
        limits.in_flight = 4
        full = await _statuses(server, [ONE])
        limits.in_flight = 0
        free = await _statuses(server, [INVALID, INVALID, ONE])
        assert limits.in_flight == 0
        return [*full, *free]

    assert both(talk, max_in_flight=4) == [b"503", b"422", b"422", b"200"]


def test_while_the_server_stops_the_last_response_closes_the_connection() -> None:
    async def talk(server: RawServer) -> bytes:
        server.state[CLOSING] = True
        answer = await server.exchange([ONE])
        del server.state[CLOSING]
        return answer

    assert b"\r\nconnection: close\r\n" in both(talk)


def test_a_body_that_comes_late_is_waited_for_by_the_application() -> None:
    async def talk(server: RawServer) -> list[bytes]:
        answers = []
        for content in (ONE, INVALID):
            connection, transport = server.connect()
            connection.data_received(content[:-20])
            await asyncio.sleep(0.05)
            assert server.app.pipeline.limits.in_flight == 1
            connection.data_received(content[-20:])
            await server.settle()
            answers.append(transport.written)
        return answers

    answers = both(talk)
    assert [answer[9:12] for answer in answers] == [b"200", b"422"]


def test_a_caller_who_leaves_before_the_end_of_the_body_is_recorded_as_499() -> None:
    async def talk(server: RawServer) -> None:
        connection, transport = server.connect()
        connection.data_received(ONE[:-20])
        transport.closed = True
        connection.connection_lost(None)
        await server.settle()

    results = [outcome(talk, kind) for kind in Accelerators]
    assert results[0] == results[1]
    assert results[0][1]['modelport_requests_total{route="/predict",status="499"}'] == 1


def test_a_body_that_follows_its_headers_is_answered_directly() -> None:
    async def talk(server: RawServer) -> int:
        connection, transport = server.connect()
        for piece in (ONE[:-150], ONE[-150:]):
            connection.data_received(piece)
            await asyncio.sleep(0)
        await server.settle()
        assert transport.written.startswith(b"HTTP/1.1 200 ")
        return transport.writes

    assert outcome(talk, Accelerators.ALL)[0] == 1
    assert outcome(talk, Accelerators.NONE)[0] == 2
