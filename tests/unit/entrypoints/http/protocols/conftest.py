"""The application with a model of the orchard, all ports in memory, without a socket."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from entrypoints.http.app import Application
from entrypoints.wiring.settings import Accelerators
from tests.support.orchard import planted
from tests.support.waiting import wait_until

MAX_ROWS = 200
MAX_BYTES = 40_000


@pytest.fixture(scope="package", params=Accelerators)
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """A client of a server that is ready, with the fast path and without."""
    wired = planted(max_rows=MAX_ROWS, max_body_bytes=MAX_BYTES, accelerators=request.param)
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
        wait_until(
            lambda: client.get("/health/ready").status_code == 200,
            20,
            lambda: client.get("/health/ready").text,
        )
        yield client
