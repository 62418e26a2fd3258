"""The middleware, tested on the whole application in memory, with all protocols."""

import asyncio
import gc
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from weakref import ref

import pytest
from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from domain.errors import Misconfigured
from domain.security.api_keys import NewApiKey, Scope, create_api_key
from entrypoints.http.app import Application
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.admission import Authenticator
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
WITHOUT_KEY = [
    "/health",
    "/health/live",
    "/health/ready",
    "/v2/health/live",
    "/v2/health/ready",
    "/ping",
]


def created(seed: int, *scopes: Scope, **more: Any) -> NewApiKey:
    return create_api_key(f"key {seed}", scopes, bytes([seed] * 54), NOW, **more)


CALLER = created(1, Scope.PREDICT)
WATCHER = created(2, Scope.METRICS)
ADMIN = created(3, Scope.ADMIN)
LIMITED = created(4, Scope.PREDICT, rate=2)
EXPIRED = created(5, Scope.ADMIN, expires_at=NOW + timedelta(seconds=1))
KEYS = (CALLER, WATCHER, ADMIN, LIMITED, EXPIRED)


def test_a_request_leaves_no_reference_cycle() -> None:
    """Garbage collections would be the tail of the latency."""

    class Server:
        """As of uvicorn: it holds the scope, and the scope holds what refers to `send`."""

        def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
            self.scope: dict[str, Any] = {
                "type": "http",
                "method": "GET",
                "path": path,
                "root_path": "",
                "query_string": b"",
                "headers": headers,
            }

        async def receive(self) -> Any:
            return {"type": "http.request"}

        async def send(self, message: Any) -> None:
            pass

    async def ask(path: str, *headers: tuple[bytes, bytes]) -> "ref[Server]":
        server = Server(path, [*headers])
        await app(server.scope, server.receive, server.send)
        return ref(server)

    app = Application(planted())
    for headers in ([(b"host", b"x")], []):  # without a host the request is refused
        for path in ("/health", "/model", "/nothing"):
            asyncio.run(ask(path, *headers))  # the first request builds the routes
            gc.disable()
            try:
                assert asyncio.run(ask(path, *headers))() is None
            finally:
                gc.enable()


def running(wired: Container) -> Iterator[TestClient]:
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
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


def bearer(key: NewApiKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.token}"}


def predict(client: TestClient, **headers: str) -> Any:
    return client.post("/predict", json={"data": [ROW]}, headers=headers)


def metrics(client: TestClient, **headers: str) -> dict[str, float]:
    text = client.get("/metrics", headers=headers).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_a_valid_request_id_of_the_caller_is_returned(client: TestClient) -> None:
    assert predict(client, **{"X-Request-ID": "order-7:a_b.c"}).headers["x-request-id"] == (
        "order-7:a_b.c"
    )


@pytest.mark.parametrize("given_id", ["", "a b", "x" * 65, '"', "ü".encode().decode("latin1")])
def test_an_invalid_request_id_is_replaced(client: TestClient, given_id: str) -> None:
    headers = [(b"x-request-id", given_id.encode("latin1"))]
    ids = {client.get("/health", headers=headers).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert given_id not in ids


def test_responses_forbid_type_guessing_and_caching(client: TestClient) -> None:
    for answer in (predict(client), client.get("/model"), client.get("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    page = client.get("/openapi.json").headers
    assert "default-src 'none'" in page["content-security-policy"]
    assert "cache-control" not in page


@pytest.mark.parametrize("path", FORMS)
def test_each_protocol_refuses_an_invalid_key_in_its_own_error_format(
    keyed: TestClient, path: str
) -> None:
    tries = [
        ({}, 401),
        (bearer(WATCHER), 403),
        (bearer(EXPIRED), 401),
        ({"X-API-Key": "mp_x"}, 401),
    ]
    for headers, status in tries:
        answer = keyed.post(path, json={}, headers=headers)
        assert answer.status_code == status
        assert {*answer.json()} == FORMS[path]
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert "mp_" not in answer.text


def test_a_key_gives_access_to_its_scopes(keyed: TestClient) -> None:
    for headers in (bearer(CALLER), {"X-API-Key": CALLER.token}, bearer(ADMIN)):
        assert predict(keyed, **headers).status_code == 200
        assert keyed.get("/model", headers=headers).status_code == 200
    assert predict(keyed, Authorization=f"bearer  {CALLER.token}").status_code == 200
    assert predict(keyed, Authorization=f"Basic {CALLER.token}").status_code == 401
    for key, status in ((CALLER, 403), (WATCHER, 200), (ADMIN, 200)):
        assert keyed.get("/metrics", headers=bearer(key)).status_code == status
    assert keyed.get("/nothing").status_code == 401


def test_health_and_documentation_need_no_key(keyed: TestClient) -> None:
    for path in (*WITHOUT_KEY, "/openapi.json"):
        assert keyed.get(path).status_code == 200, path


def test_a_key_beyond_its_rate_limit_is_refused_and_others_are_not(keyed: TestClient) -> None:
    answers = [predict(keyed, **bearer(LIMITED)) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert answers[0].status_code == answers[1].status_code == 200
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "2 requests per second" in refused[0].json()["detail"]
    assert predict(keyed, **bearer(CALLER)).status_code == 200


def test_a_revoked_key_is_refused_within_seconds(keyed: TestClient, store: MemoryKeyStore) -> None:
    assert predict(keyed, **bearer(CALLER)).status_code == 200
    store.revoke("key 1")
    wait_until(lambda: predict(keyed, **bearer(CALLER)).status_code == 401, 20, lambda: "revoked")


def test_keys_stay_valid_while_the_store_cannot_be_read(
    keyed: TestClient, store: MemoryKeyStore
) -> None:
    store.problem = "key file k.json: not JSON"
    stale = "modelport_keys_stale"
    wait_until(lambda: metrics(keyed, **bearer(WATCHER))[stale] == 1, 20, lambda: "stale")
    assert predict(keyed, **bearer(CALLER)).status_code == 200
    store.problem = ""
    wait_until(lambda: metrics(keyed, **bearer(WATCHER))[stale] == 0, 20, lambda: "well")


def test_without_readable_keys_the_server_does_not_start(
    store: MemoryKeyStore,
) -> None:
    store.problem = "key file k.json: not JSON"
    wired = planted()
    wired.key_store.override(providers.Object(store))
    with pytest.raises(Misconfigured, match="not JSON"):
        Application(wired)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_not_authenticated(token: bytes) -> None:
    authenticator = Authenticator(MemoryKeyStore(*(each.key for each in KEYS)), lambda: NOW)
    with pytest.raises(HTTPException):
        authenticator.authenticate(Scope.PREDICT, token)


@pytest.mark.parametrize("path", FORMS)
def test_a_full_server_refuses_in_the_format_of_the_protocol_and_stays_healthy(path: str) -> None:
    app = Application(planted(max_in_flight=1))
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


def test_responses_rows_and_rejects_are_counted(client: TestClient) -> None:
    for _ in range(3):
        predict(client)
    client.post("/predict", json={"data": [ROW, {**ROW, "height": "x", "age": -1}]})
    v2 = client.post("/invocations", json={"dataframe_records": [ROW, ROW]})
    assert v2.status_code == 200
    client.get("/v2/models/what/ever/there/is")
    client.get("/what/ever")
    values = metrics(client)
    assert values['modelport_requests_total{route="/predict",status="200"}'] == 3
    assert values['modelport_requests_total{route="/predict",status="422"}'] == 1
    assert values['modelport_requests_total{route="other",status="404"}'] == 1
    predicted = 'model="orchard/1",route="/predict",status="200"'
    assert values[f"modelport_request_seconds_count{{{predicted}}}"] == 3
    assert values[f'modelport_request_seconds_bucket{{le="+Inf",{predicted}}}'] == 3
    assert 0 < values[f"modelport_request_seconds_sum{{{predicted}}}"] < 60
    invalid = 'model="",route="/predict",status="422"'
    assert values[f"modelport_request_seconds_count{{{invalid}}}"] == 1
    assert values["modelport_queue_seconds_count"] == 4
    assert values['modelport_compute_seconds_count{model="orchard/1"}'] == 4
    assert values['modelport_batch_rows_bucket{le="1.0"}'] == 3
    assert values["modelport_batch_rows_sum"] == 5
    assert values['modelport_refusals_total{reason="invalid_rows"}'] == 1
    assert values['modelport_refusals_total{reason="not_found"}'] == 2
    build = [name for name in values if name.startswith("modelport_build_info{")]
    assert [values[name] for name in build] == [1]
    assert values["process_cpu_seconds_total"] > 0
    assert values['modelport_rows_total{model="orchard/1"}'] == 5
    assert values['modelport_rejects_total{field="height"}'] == 1
    assert values['modelport_rejects_total{field="age"}'] == 1
    assert values['modelport_model_info{model="orchard/1"}'] == 1
    assert values['modelport_model_age_seconds{model="orchard/1"}'] >= 0
    assert values['modelport_reloads_total{outcome="restored"}'] == 1
    assert values["modelport_model_calls_total"] == 4
    assert values["modelport_degraded"] == 0
    assert values["modelport_ready"] == 1
    assert values["modelport_in_flight"] == 1  # the request for the metrics


def test_refusals_are_counted_by_reason(keyed: TestClient) -> None:
    for headers in ({}, {"X-API-Key": "mp_x"}, bearer(EXPIRED), bearer(WATCHER)):
        predict(keyed, **headers)
    for _ in range(12):
        predict(keyed, **bearer(LIMITED))
    keyed.post("/predict", content="{", headers={**bearer(CALLER), "content-type": "text/csv"})
    values = metrics(keyed, **bearer(WATCHER))
    refused = {
        name.partition('reason="')[2].removesuffix('"}'): count
        for name, count in values.items()
        if name.startswith("modelport_refusals_total")
    }
    assert refused.pop("rate_limit") >= 1
    assert refused == {
        "missing_key": 1,
        "unknown_key": 1,
        "expired_key": 1,
        "scope": 1,
        "unsupported_media_type": 1,
    }


def test_large_requests_count_as_calls_of_the_model(client: TestClient) -> None:
    before = metrics(client)
    client.post("/predict", json={"data": [ROW] * 900})
    client.post("/invocations", json={"dataframe_records": [ROW] * 800})
    after = metrics(client)
    assert after["modelport_batch_rows_sum"] == before["modelport_batch_rows_sum"] + 1700
    assert after["modelport_queue_seconds_count"] >= before["modelport_queue_seconds_count"] + 2


def test_callers_cannot_add_label_values(client: TestClient) -> None:
    before = len(metrics(client))
    for name in range(30):
        client.get(f"/invented/{name}")
        client.get(f"/v2/models/{name}")
        client.post("/predict", json={"data": [{**ROW, f"invented-{name}": 1}]})
    values = metrics(client)
    assert not any("invented" in name for name in values)
    assert len(values) < before + 100


def test_the_log_has_one_line_per_request() -> None:
    out = StringIO()
    log = AccessLog(out, clock=lambda: 1_767_225_600.25)
    context = RequestContext(route_of("/predict"), b"order-7")
    context.status, context.rows, context.model, context.key = 200, 2, 'a"b/1', "0123456789ab"
    log.record(context, 0.0015, "POST")
    log.record(context, 0.0025, "POST")
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


def test_lines_beyond_the_buffer_are_dropped_and_counted() -> None:
    log = AccessLog(StringIO())
    context = RequestContext(route_of("/health"), b"x")
    for _ in range(100_003):
        log.record(context, 0.0, "GET")
    assert log.dropped == 3


@pytest.mark.parametrize(
    "path", ["/v2/models/a%0Ab/ready", "/v2/%0A", "/v2/models/x%E2%80%A8/infer"]
)
def test_a_path_without_a_route_is_refused_in_the_format_of_its_protocol(
    client: TestClient, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 405)
    assert {*answer.json()} == {"error"}


def head_of(client: TestClient, version: str, *hosts: str) -> tuple[int, bytes]:
    """Return status and body for a request with these `Host` headers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "http_version": version,
        "path": "/v2",
        "query_string": b"",
        "headers": [(b"host", host.encode()) for host in hosts],
    }
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("hosts", [(), ("a", "a"), ("a", "b"), ("a", "b", "c")])
def test_another_number_of_hosts_than_one_is_refused(
    client: TestClient, hosts: tuple[str, ...]
) -> None:
    status, body = head_of(client, "1.1", *hosts)
    assert status == 400
    assert json.loads(body) == {
        "error": f"the request has {len(hosts) or 'no'} Host headers; allowed: one"
    }


@pytest.mark.parametrize(("version", "hosts"), [("1.1", ("a",)), ("1.0", ()), ("1.1", ("",))])
def test_one_host_is_enough_and_old_callers_have_none(
    client: TestClient, version: str, hosts: tuple[str, ...]
) -> None:
    assert head_of(client, version, *hosts)[0] == 200
