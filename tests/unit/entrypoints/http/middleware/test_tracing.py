"""Traces of a server, tested on the whole application in memory."""

import json
from collections.abc import Iterator

import pytest
from dependency_injector import providers
from starlette.testclient import TestClient

from domain.model.reference import CHAMPION
from domain.training.specification import Estimator
from entrypoints.http.app import Application
from entrypoints.wiring.container import Container
from tests.fakes.monitoring import MemorySpan, MemoryTraces
from tests.support.followers import DistantStore
from tests.support.houses import with_file
from tests.support.orchard import ORCHARD, orchard, train
from tests.support.samples import NAME, SCHEMA
from tests.support.waiting import wait_until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = {"data": [SCHEMA.example, SCHEMA.example]}
PREDICT = "POST /predict"
RELOAD = "model reload"


@pytest.fixture
def store() -> DistantStore:
    return DistantStore()


@pytest.fixture
def traces() -> MemoryTraces:
    return MemoryTraces()


@pytest.fixture
def wired(store: DistantStore, traces: MemoryTraces) -> Container:
    wired = orchard(store, poll_seconds=0.02)
    wired.traces.override(providers.Object(traces))
    train(wired)
    return wired


@pytest.fixture
def client(wired: Container) -> Iterator[TestClient]:
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
        ready = "/health/ready"
        wait_until(lambda: client.get(ready).is_success, 20, lambda: client.get(ready).text)
        yield client


def spans(traces: MemoryTraces, name: str) -> list[MemorySpan]:
    return [span for span in traces.spans if span.name == name]


def outcomes(traces: MemoryTraces) -> list[object]:
    return [span.attributes["modelport.outcome"] for span in spans(traces, RELOAD)]


def test_a_request_is_one_span_with_route_status_and_model(
    client: TestClient, traces: MemoryTraces
) -> None:
    headers = {"traceparent": PARENT, "tracestate": "vendor=1", "x-request-id": "order-7"}
    assert client.post("/predict?secret=1", json=BODY, headers=headers).is_success
    (span,) = spans(traces, PREDICT)
    assert span.caller == {"traceparent": PARENT, "tracestate": "vendor=1"}
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "modelport.request_id": "order-7",
        "modelport.model": "orchard/1",
        "modelport.rows": 2,
    }
    assert not span.failed
    assert span.seconds > 0


def test_an_invalid_request_is_not_a_failed_span(client: TestClient, traces: MemoryTraces) -> None:
    assert client.post("/predict", json={"data": [{"SESAME": 1}]}).status_code == 422
    (span,) = spans(traces, PREDICT)
    assert span.attributes["http.response.status_code"] == 422
    assert not span.failed
    assert span.caller == {}


def test_a_server_error_is_a_failed_span(traces: MemoryTraces) -> None:
    wired = orchard()
    wired.traces.override(providers.Object(traces))
    with TestClient(Application(wired)) as client:
        assert client.post("/predict", json=BODY).status_code == 503
    (span,) = spans(traces, PREDICT)
    assert span.failed
    assert span.attributes["error.type"] == "503"


def test_no_span_holds_data_of_the_caller(client: TestClient, traces: MemoryTraces) -> None:
    row = {**SCHEMA.example, "SESAME": "SESAME"}
    for path in ("/predict", "/invocations", "/v2/models/SESAME/infer", "/SESAME"):
        client.post(f"{path}?SESAME=SESAME", json={"data": [row]}, headers={"SESAME": "SESAME"})
    assert len(traces.spans) > 4
    text = json.dumps([[span.name, dict(span.attributes), span.caller] for span in traces.spans])
    assert "SESAME" not in text


def test_each_reload_is_a_span(
    client: TestClient, store: DistantStore, traces: MemoryTraces, wired: Container
) -> None:
    wait_until(lambda: bool(outcomes(traces)), 20, lambda: str(traces.spans))
    assert outcomes(traces) == ["restored"]
    train(wired, Estimator.DUMMY)
    store.set_alias(NAME, CHAMPION, 2, store.resolve(ORCHARD).number)
    wait_until(lambda: len(outcomes(traces)) == 2, 20, lambda: str(traces.spans))
    loaded = spans(traces, RELOAD)[1]
    assert loaded.attributes == {"modelport.model": "orchard/2", "modelport.outcome": "loaded"}
    assert (loaded.failed, loaded.caller) == (False, None)


def test_a_rejected_version_is_a_failed_span_with_the_served_version(
    client: TestClient, store: DistantStore, traces: MemoryTraces, wired: Container
) -> None:
    train(wired, Estimator.DUMMY)
    store.spoil[2] = with_file("model.onnx", b"{}")
    store.set_alias(NAME, CHAMPION, 2, 1)
    wait_until(lambda: "rejected" in outcomes(traces), 20, lambda: str(traces.spans))
    rejected = spans(traces, RELOAD)[-1]
    assert rejected.failed
    assert rejected.attributes["modelport.model"] == "orchard/1"


def test_remaining_spans_are_sent_at_the_end(wired: Container, traces: MemoryTraces) -> None:
    with TestClient(Application(wired)):
        assert not traces.closed
    assert traces.closed
