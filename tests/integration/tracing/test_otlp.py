"""A real server that sends its spans to a real receiver."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.integration.http.test_following import wait_for
from tests.integration.processes import free_port
from tests.integration.program import Place, Server, place, serving
from tests.integration.tracing.receiver import receiving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECONDS = 30.0
INTERNAL, SERVER = 1, 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("traced"), MODELPORT_POLL_SECONDS="0.1")
    made.good("train", "--data", "sample:200", "--estimator", "ridge")
    return made.having(MODELPORT_TRACES="otlp")


def ask(server: Server, body: object, sampled: str = "01") -> int:
    context = {"traceparent": f"00-{TRACE}-{PARENT}-{sampled}"}
    headers = {"Content-Type": "application/json", **context}
    request = Request(f"{server.url}/predict", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=SECONDS) as answer:
        return int(answer.status)


def example(where: Place) -> dict[str, object]:
    where.good("data", "sample", "--rows", "1", "--out", where / "row.jsonl")
    row: dict[str, object] = json.loads((where / "row.jsonl").read_text())
    row.pop("median_house_value")
    return row


def test_spans_are_children_of_their_callers_spans(trained: Place) -> None:
    with receiving() as receiver:
        where = trained.having(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=shop",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        body = {"data": [example(trained)]}
        with serving(where) as server:
            wait_for(server, ready=True, degraded=False)
            assert ask(server, body) == 200
            wait_until(
                lambda: bool(receiver.named("POST /predict")), SECONDS, lambda: str(receiver.spans)
            )
            assert ask(server, body, sampled="00") == 200
            assert server.stop() == 0
    (span,) = receiver.named("POST /predict")
    assert (span.trace, span.parent, span.kind) == (TRACE, PARENT, SERVER)
    assert span.attributes["modelport.model"] == "housing/1"
    assert span.attributes["modelport.rows"] == 1
    assert span.attributes["http.response.status_code"] == 200
    assert 0 < span.end - span.start < SECONDS * 1e9
    assert not span.error
    (reload,) = receiver.named("model reload")
    assert (reload.parent, reload.kind) == ("", INTERNAL)
    assert reload.attributes == {"modelport.outcome": "restored", "modelport.model": "housing/1"}
    assert receiver.resource["service.name"] == "modelport"
    assert receiver.resource["deployment.environment"] == "test"
    assert receiver.headers["x-tenant"] == "shop"
    assert receiver.paths == {"/v1/traces"}


def test_queued_spans_are_sent_when_the_server_stops(trained: Place) -> None:
    with receiving() as receiver:
        where = trained.having(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_SERVICE_NAME="prices",
            OTEL_BSP_SCHEDULE_DELAY="600000",
        )
        with serving(where) as server:
            wait_for(server, ready=True, degraded=False)
            assert receiver.spans == []
            assert server.stop() == 0
        assert receiver.named("GET /health/ready")
        assert receiver.resource["service.name"] == "prices"


def test_a_missing_receiver_delays_neither_responses_nor_the_shutdown(trained: Place) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    where = trained.having(OTEL_EXPORTER_OTLP_ENDPOINT=nowhere, OTEL_BSP_SCHEDULE_DELAY="100")
    with serving(where) as server:
        wait_for(server, ready=True, degraded=False)
        assert ask(server, {"data": [example(trained)]}) == 200
        assert server.stop() == 0


def test_without_the_setting_nothing_is_sent_or_imported(trained: Place, tmp_path: Path) -> None:
    names = tmp_path / "modules"
    names.mkdir()
    site = tmp_path / "sitecustomize.py"
    site.write_text(
        "import atexit, os, pathlib, sys\n"
        f"names = pathlib.Path({str(names)!r}, str(os.getpid()))\n"
        "atexit.register(lambda: names.write_text(' '.join(sys.modules)))\n"
    )
    with receiving() as receiver:
        where = trained.having(
            MODELPORT_TRACES="none",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            PYTHONPATH=str(tmp_path),
        )
        with serving(where) as server:
            wait_for(server, ready=True, degraded=False)
            assert server.stop() == 0
        assert receiver.spans == []
    modules = [name for each in names.iterdir() for name in each.read_text().split()]
    assert "entrypoints.http.middleware.tracing" in modules
    # FastAPI imports OpenTelemetry's API if it is installed; only the SDK is expensive.
    expensive = ("opentelemetry.sdk", "opentelemetry.exporter", "cryptography")
    assert [name for name in modules if name.startswith(expensive)] == []
