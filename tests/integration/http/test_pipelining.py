"""Requests that are sent before the response to an earlier one (pipelining)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from entrypoints.http.uvicorn.connection import Connection, Timeouts
from tests.support.raw_connection import MemoryTransport

FIRST = b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
SECOND = b"POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
BAD_CHUNK = b"POST /bad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"
TIMEOUTS = Timeouts(header_seconds=0.3, body_seconds=0.3)


class Waiting:
    """An application that answers each request with its path, the first one when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["path"] == "/first":
            await self.may_answer.wait()
        while (await receive()).get("more_body"):
            pass
        path = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(path))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": path})


async def connected() -> tuple[Waiting, Connection, MemoryTransport]:
    app, transport = Waiting(), MemoryTransport()
    config = Config(cast(Any, app), lifespan="off", log_config=None, access_log=False)
    config.load()
    connection = Connection(config, ServerState(), {"timeouts": TIMEOUTS})
    connection.connection_made(cast(asyncio.Transport, transport))
    return app, connection, transport


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_queued_request_is_not_refused_before_the_response_to_the_first() -> None:
    async def talk() -> bytes:
        app, connection, transport = await connected()
        connection.data_received(FIRST + SECOND)
        await asyncio.sleep(3 * TIMEOUTS.body_seconds)
        assert transport.written == b""
        app.may_answer.set()
        await turns()
        connection.data_received(b"hello")
        await turns()
        connection.connection_lost(None)
        return transport.written

    first, second = asyncio.run(talk()).split(b"HTTP/1.1 200 OK")[1:]
    assert first.endswith(b"/first")
    assert second.endswith(b"/second")


def test_the_time_for_a_queued_body_starts_after_the_response_before() -> None:
    async def talk() -> bytes:
        app, connection, transport = await connected()
        connection.data_received(FIRST + SECOND)
        app.may_answer.set()
        await asyncio.sleep(3 * TIMEOUTS.body_seconds)
        connection.connection_lost(None)
        return transport.written

    statuses = [line for line in asyncio.run(talk()).split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [b"200 OK" in statuses[0], b"408" in statuses[1]] == [True, True]


@pytest.mark.parametrize("between", [b"", FIRST.replace(b"first", b"between")])
def test_a_malformed_queued_request_leaves_the_earlier_ones_their_responses(
    between: bytes,
) -> None:
    async def talk() -> tuple[bytes, bool]:
        app, connection, transport = await connected()
        connection.data_received(FIRST + between + BAD_CHUNK)
        app.may_answer.set()
        await turns()
        return transport.written, transport.closed

    written, closed = asyncio.run(talk())
    assert written.count(b"HTTP/1.1 200 OK") == 1 + bool(between)
    assert b"400" not in written
    assert closed
