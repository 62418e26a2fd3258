"""A server over a small model of made-up block groups."""

from collections.abc import Iterator

import pytest

from entrypoints.wiring.settings import Accelerators
from tests.integration.processes import START_SECONDS
from tests.integration.program import Place, Server, place, serving
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("served"))
    made.good("train", "--data", "sample:400", "--estimator", "ridge")
    made.good("train", "--data", "sample:400", "--estimator", "dummy", "--no-promote")
    return made


@pytest.fixture
def served(_served: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a ridge as champion, `housing/1`, and a dummy, `housing/2`."""
    return _served.copy(tmp_path_factory.mktemp("copy"))


def ready(server: Server, times: int = 1) -> Server:
    """Wait until a server, or each of its workers, has its model."""
    wait_until(
        lambda: server.said().count("ready: housing/") >= times + server.said().count("not ready:"),
        START_SECONDS,
        server.said,
    )
    return server


@pytest.fixture(scope="module")
def server(_served: Place) -> Iterator[Server]:
    """A server that is ready."""
    with serving(_served) as server:
        yield ready(server)


@pytest.fixture(scope="module", params=Accelerators)
def either_server(_served: Place, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that is ready, with the accelerators and without."""
    with serving(_served.having(MODELPORT_ACCELERATORS=request.param)) as server:
        yield ready(server)
