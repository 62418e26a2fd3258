"""An application behind a connection of uvicorn, without a socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from entrypoints.http.app import Application
from entrypoints.http.uvicorn.connection import Connection
from entrypoints.wiring.container import Container
from tests.support.waiting import wait_until

DATE = [(b"date", b"now")]
_TURNS = 400


@dataclass
class MemoryTransport:
    """Keeps what is written."""

    written: bytes = b""
    closed: bool = False
    writes: int = 0
    reading: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("the transport is closed")
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return self.extra.get(name)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@dataclass
class RawServer:
    """A server in memory; each connection is of the class `kind`."""

    app: Application
    config: Config
    state: dict[str, Any]
    kind: type[Connection]
    shared: ServerState = field(default_factory=ServerState)

    def connect(self) -> tuple[Connection, MemoryTransport]:
        """Return a new connection and its transport."""
        connection = self.kind(self.config, self.shared, self.state)
        transport = MemoryTransport()
        connection.connection_made(cast(asyncio.Transport, transport))
        return connection, transport

    async def exchange(self, pieces: Sequence[bytes]) -> bytes:
        """Return what a new connection answers to pieces that arrive in separate turns."""
        connection, transport = self.connect()
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
            await asyncio.sleep(0)
        await self.settle()
        connection.connection_lost(None)
        await self.settle()
        return transport.written

    async def settle(self) -> None:
        """Let everything that was begun end."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while self.shared.tasks:
            await asyncio.wait(self.shared.tasks)


@asynccontextmanager
async def raw_server(wired: Container, kind: type[Connection]) -> AsyncIterator[RawServer]:
    """Run the application in the block, once its model is ready."""
    app = Application(wired)
    config = Config(app, lifespan="on", log_config=None)
    config.load()
    lifespan = config.lifespan_class(config)
    await lifespan.startup()
    server = RawServer(app, config, lifespan.state, kind)
    server.shared.default_headers = DATE
    try:
        await asyncio.to_thread(wait_until, lambda: wired.serving().ready, 20, lambda: "not ready")
        yield server
    finally:
        await lifespan.shutdown()
