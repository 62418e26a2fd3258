"""What every request passes: tried on the whole application, in memory, over all protocols."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from domain.errors import Misconfigured
from domain.security.api_keys import Minted, Scope, mint
from entrypoints.http.app import create_app
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.authentication import Authenticator, Denied
from entrypoints.http.middleware.request_context import RequestContext
from entrypoints.http.route_table import route_of
from entrypoints.wiring.container import Container
from tests.fakes.security import MemoryKeyStore
from tests.support.orchard import planted
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until

ROW = SCHEMA.example
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORMS = {
    "/predict": {"type", "title", "status", "detail"},
    "/v2/models/orchard/infer": {"error"},
    "/invocations": {"error_code", "message"},
}
OPEN = ["/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/ping"]


def minted(seed: int, *scopes: Scope, **more: Any) -> Minted:
    return mint(f"key {seed}", scopes, bytes([seed] * 54), NOW, **more)


CALLER = minted(1, Scope.PREDICT)
WATCHER = minted(2, Scope.METRICS)
ADMIN = minted(3, Scope.ADMIN)
OFTEN = minted(4, Scope.PREDICT, rate=2)
GONE = minted(5, Scope.ADMIN, expires_at=NOW + timedelta(seconds=1))
KEYS = (CALLER, WATCHER, ADMIN, OFTEN, GONE)


def running(wired: Container) -> Iterator[TestClient]:
    with TestClient(create_app(wired), raise_server_exceptions=False) as client:
        ready = "/health/ready"
        wait_until(lambda: client.get(ready).is_success, 20, lambda: client.get(ready).text)
        yield client


@pytest.fixture
def client() -> Iterator[TestClient]:
    yield from running(planted())


@pytest.fixture
def store() -> MemoryKeyStore:
    return MemoryKeyStore(*(each.key for each in KEYS))


@pytest.fixture
def keyed(store: MemoryKeyStore) -> Iterator[TestClient]:
    wired = planted()
    wired.key_store.override(providers.Object(store))
    yield from running(wired)


def bearer(key: Minted) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.token}"}


def predict(client: TestClient, **headers: str) -> Any:
    return client.post("/predict", json={"data": [ROW]}, headers=headers)


def figures(client: TestClient, **headers: str) -> dict[str, float]:
    text = client.get("/metrics", headers=headers).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_a_request_keeps_the_id_that_its_caller_gave_it(client: TestClient) -> None:
    assert predict(client, **{"X-Request-ID": "order-7:a_b.c"}).headers["x-request-id"] == (
        "order-7:a_b.c"
    )


@pytest.mark.parametrize("given_id", ["", "a b", "x" * 65, '"', "ü".encode().decode("latin1")])
def test_an_id_that_could_do_harm_is_replaced(client: TestClient, given_id: str) -> None:
    headers = [(b"x-request-id", given_id.encode("latin1"))]
    ids = {client.get("/health", headers=headers).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert given_id not in ids


def test_answers_are_neither_guessed_at_nor_kept(client: TestClient) -> None:
    for answer in (predict(client), client.get("/model"), client.get("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    page = client.get("/openapi.json").headers
    assert "default-src 'none'" in page["content-security-policy"]
    assert "cache-control" not in page


@pytest.mark.parametrize("path", FORMS)
def test_without_a_good_key_each_protocol_refuses_in_its_own_form(
    keyed: TestClient, path: str
) -> None:
    tries = [({}, 401), (bearer(WATCHER), 403), (bearer(GONE), 401), ({"X-API-Key": "mp_x"}, 401)]
    for headers, status in tries:
        answer = keyed.post(path, json={}, headers=headers)
        assert answer.status_code == status
        assert {*answer.json()} == FORMS[path]
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert "mp_" not in answer.text


def test_a_key_opens_what_it_is_good_for(keyed: TestClient) -> None:
    for headers in (bearer(CALLER), {"X-API-Key": CALLER.token}, bearer(ADMIN)):
        assert predict(keyed, **headers).status_code == 200
        assert keyed.get("/model", headers=headers).status_code == 200
    assert predict(keyed, Authorization=f"bearer  {CALLER.token}").status_code == 200
    assert predict(keyed, Authorization=f"Basic {CALLER.token}").status_code == 401
    for key, status in ((CALLER, 403), (WATCHER, 200), (ADMIN, 200)):
        assert keyed.get("/metrics", headers=bearer(key)).status_code == status
    assert keyed.get("/nothing").status_code == 401


def test_health_and_the_documentation_need_no_key(keyed: TestClient) -> None:
    for path in (*OPEN, "/openapi.json"):
        assert keyed.get(path).status_code == 200, path


def test_a_key_that_is_used_too_often_has_to_wait_and_others_need_not(keyed: TestClient) -> None:
    answers = [predict(keyed, **bearer(OFTEN)) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert answers[0].status_code == answers[1].status_code == 200
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "2 requests per second" in refused[0].json()["detail"]
    assert predict(keyed, **bearer(CALLER)).status_code == 200


def test_a_revoked_key_is_good_for_nothing_soon(keyed: TestClient, store: MemoryKeyStore) -> None:
    assert predict(keyed, **bearer(CALLER)).status_code == 200
    store.revoke("key 1")
    wait_until(lambda: predict(keyed, **bearer(CALLER)).status_code == 401, 20, lambda: "revoked")


def test_keys_that_cannot_be_read_later_stay_in_force(
    keyed: TestClient, store: MemoryKeyStore
) -> None:
    store.problem = "key file k.json: not JSON"
    stale = "modelport_keys_stale"
    wait_until(lambda: figures(keyed, **bearer(WATCHER))[stale] == 1, 20, lambda: "stale")
    assert predict(keyed, **bearer(CALLER)).status_code == 200
    store.problem = ""
    wait_until(lambda: figures(keyed, **bearer(WATCHER))[stale] == 0, 20, lambda: "well")


def test_keys_that_cannot_be_read_at_the_start_keep_the_server_from_starting(
    store: MemoryKeyStore,
) -> None:
    store.problem = "key file k.json: not JSON"
    wired = planted()
    wired.key_store.override(providers.Object(store))
    with pytest.raises(Misconfigured, match="not JSON"):
        create_app(wired)


@given(st.binary(max_size=80))
def test_the_gate_lets_nobody_in_by_chance(token: bytes) -> None:
    gate = Authenticator(MemoryKeyStore(*(each.key for each in KEYS)), lambda: NOW)
    with pytest.raises(Denied):
        gate.authenticate(Scope.PREDICT, token)


@pytest.mark.parametrize("path", FORMS)
def test_a_full_server_says_so_in_the_form_of_the_protocol_and_stays_healthy(path: str) -> None:
    app = create_app(planted(max_in_flight=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        app.pipeline.limits.in_flight = 1
        answer = client.post(path, json={})
        assert answer.status_code == 503
        assert {*answer.json()} == FORMS[path]
        assert answer.headers["retry-after"] == "1"
        assert client.get("/health/live").status_code == 200
        app.pipeline.limits.in_flight = 0
        assert "full" in answer.text
        assert "full" not in client.post(path, json={}).text
        assert app.pipeline.limits.in_flight == 0


def test_what_was_answered_and_refused_is_counted(client: TestClient) -> None:
    for _ in range(3):
        predict(client)
    client.post("/predict", json={"data": [ROW, {**ROW, "height": "x", "age": -1}]})
    v2 = client.post("/invocations", json={"dataframe_records": [ROW, ROW]})
    assert v2.status_code == 200
    client.get("/v2/models/what/ever/there/is")
    client.get("/what/ever")
    told = figures(client)
    assert told['modelport_requests_total{route="/predict",status="200"}'] == 3
    assert told['modelport_requests_total{route="/predict",status="422"}'] == 1
    assert told['modelport_requests_total{route="other",status="404"}'] == 1
    assert told['modelport_request_seconds_count{route="/predict"}'] == 4
    assert told['modelport_request_seconds_bucket{route="/predict",le="+Inf"}'] == 4
    assert 0 < told['modelport_request_seconds_sum{route="/predict"}'] < 60
    assert told['modelport_rows_total{model="orchard/1"}'] == 5
    assert told['modelport_rejects_total{field="height"}'] == 1
    assert told['modelport_rejects_total{field="age"}'] == 1
    assert told['modelport_model_info{model="orchard/1"}'] == 1
    assert told['modelport_model_age_seconds{model="orchard/1"}'] >= 0
    assert told['modelport_reloads_total{outcome="restored"}'] == 1
    assert told["modelport_model_calls_total"] == 4
    assert told["modelport_degraded"] == 0
    assert told["modelport_ready"] == 1
    assert told["modelport_in_flight"] == 1  # the one that asks


def test_callers_cannot_make_up_names_for_the_metrics(client: TestClient) -> None:
    before = len(figures(client))
    for name in range(30):
        client.get(f"/made-up/{name}")
        client.get(f"/v2/models/{name}")
        client.post("/predict", json={"data": [{**ROW, f"made-up-{name}": 1}]})
    told = figures(client)
    assert not any("made-up" in name for name in told)
    assert len(told) < before + 100


def test_the_log_has_one_line_per_request_without_the_caller_s_data() -> None:
    out = StringIO()
    log = AccessLog(out, clock=lambda: 1_767_225_600.25)
    exchange = RequestContext(route_of("/predict"), b"order-7", None)  # type: ignore[arg-type] # unused
    exchange.status, exchange.rows, exchange.model, exchange.key = 200, 2, 'a"b/1', "0123456789ab"
    log.record(exchange, 0.0015, "POST")
    log.record(exchange, 0.0025, "POST")
    asyncio.run(log.flush())
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0] == {
        "time": "2026-01-01T00:00:00.250Z",
        "request_id": "order-7",
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "ms": 1.5,
        "rows": 2,
        "model": 'a"b/1',
        "key": "0123456789ab",
    }
    assert lines[1]["ms"] == 2.5
    asyncio.run(log.flush())
    assert len(out.getvalue().splitlines()) == 2


def test_lines_that_nobody_takes_are_dropped_and_counted() -> None:
    log = AccessLog(StringIO())
    exchange = RequestContext(route_of("/health"), b"x", None)  # type: ignore[arg-type] # unused
    for _ in range(100_003):
        log.record(exchange, 0.0, "GET")
    assert log.dropped == 3


@pytest.mark.parametrize(
    "path", ["/v2/models/a%0Ab/ready", "/v2/%0A", "/v2/models/x%E2%80%A8/infer"]
)
def test_a_path_that_no_route_takes_is_refused_in_the_form_of_its_protocol(
    client: TestClient, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 405)
    assert {*answer.json()} == {"error"}
