"""The application while the champion changes, breaks or cannot be reached."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dependency_injector import providers
from starlette.testclient import TestClient

from domain.model.reference import CHAMPION, ModelRef, ModelVersion
from domain.training.specification import Estimator
from entrypoints.http.app import Application
from entrypoints.wiring.container import Container
from tests.fakes.model import MemoryBundleCache
from tests.support.followers import DistantStore
from tests.support.houses import with_file
from tests.support.orchard import ORCHARD, orchard, train
from tests.support.samples import NAME, SCHEMA
from tests.support.waiting import wait_until


@pytest.fixture
def store() -> DistantStore:
    return DistantStore()


@pytest.fixture
def wired(store: DistantStore) -> Container:
    """A container with two versions, of which the first is champion, and an empty cache."""
    wired = orchard(store, poll_seconds=0.02)
    train(wired, Estimator.DUMMY)
    train(wired)
    appoint(store, 1)
    wired.bundle_cache.override(providers.Object(MemoryBundleCache()))
    return wired


def appoint(store: DistantStore, number: int) -> None:
    store.set_alias(NAME, CHAMPION, number, store.resolve(ORCHARD).number)


@contextmanager
def running(wired: Container, *, degraded: bool = False) -> Iterator[TestClient]:
    with TestClient(Application(wired)) as client:
        wait_for(client, ready=True, degraded=degraded)
        yield client


def wait_for(client: TestClient, **expected: Any) -> dict[str, Any]:
    """Wait until `/health/ready` says this, and return all that it says."""

    def as_expected() -> bool:
        return bool(expected.items() <= client.get("/health/ready").json().items())

    wait_until(as_expected, 20, lambda: client.get("/health/ready").text)
    return dict(client.get("/health/ready").json())


def answering(client: TestClient) -> str:
    answer = client.post("/predict", json={"data": [SCHEMA.example]})
    assert answer.status_code == 200
    return str(answer.json()["model"])


def test_the_application_follows_the_champion_without_a_restart(
    wired: Container, store: DistantStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "modelport")
    with running(wired) as client:
        assert answering(client) == "orchard/1"
        appoint(store, 2)
        state = wait_for(client, model="orchard/2", degraded=False)
        assert answering(client) == "orchard/2"
        assert client.get("/model").json()["model"] == "orchard/2"
    assert state["reloads"]["loaded"] == 2
    told = [record.getMessage() for record in caplog.records if record.name == "modelport"]
    assert told == ["ready: orchard/1", "ready: orchard/2"]


def test_a_broken_champion_leaves_the_one_before_and_the_reason_is_told(
    wired: Container, store: DistantStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    with running(wired) as client:
        appoint(store, 2)
        state = wait_for(client, degraded=True)
        assert answering(client) == "orchard/1"
        assert state["ready"] is True
        assert state["model"] == "orchard/1"
        assert state["problem"].startswith("orchard/2: model.onnx was changed")
        assert state["reloads"]["rejected"] == 1
        appoint(store, 1)
        assert wait_for(client, degraded=False)["problem"] is None
    warning = "degraded, still serving orchard/1: orchard/2: model.onnx was changed"
    assert sum(warning in record.getMessage() for record in caplog.records) == 1


def test_a_store_that_goes_away_degrades_and_heals(wired: Container, store: DistantStore) -> None:
    with running(wired) as client:
        store.down = True
        wait_for(client, degraded=True, problem="the registry is down", model="orchard/1")
        assert answering(client) == "orchard/1"
        store.down = False
        wait_for(client, degraded=False, problem=None, model="orchard/1")


def test_a_start_while_the_store_is_down_serves_the_last_good_version(
    wired: Container, store: DistantStore
) -> None:
    with running(wired):
        pass
    store.down = True
    wired.serving.reset()
    with running(wired, degraded=True) as client:
        assert answering(client) == "orchard/1"
        wait_for(client, ready=True, degraded=True, problem="the registry is down")
        store.down = False
        wait_for(client, degraded=False)


def test_a_start_is_told_from_the_cache_and_then_from_the_store(
    wired: Container, store: DistantStore, caplog: pytest.LogCaptureFixture
) -> None:
    with running(wired):
        pass
    wired.serving.reset()
    caplog.clear()
    caplog.set_level(logging.INFO, "modelport")
    with running(wired) as client:
        assert wait_for(client, degraded=False)["reloads"]["restored"] == 1
    assert [record.getMessage() for record in caplog.records if record.name == "modelport"] == [
        "orchard/1 is served from the cache until the registry answers",
        "ready: orchard/1",
    ]


def test_following_goes_on_after_a_fault_of_the_store(
    wired: Container, store: DistantStore, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(DistantStore):
        faults = 0

        def resolve(self, ref: ModelRef) -> ModelVersion:
            if ref == ORCHARD and self.faults < 2:
                self.faults += 1
                raise KeyError("SESAME")
            return store.resolve(ref)

        def load(self, version: ModelVersion) -> Any:
            return store.load(version)

    wired.store.override(Faulty())
    with running(wired) as client:
        assert answering(client) == "orchard/1"
        assert wait_for(client, degraded=False)["reloads"]["failed"] == 2
    assert "unexpected error of the model store" in caplog.text
