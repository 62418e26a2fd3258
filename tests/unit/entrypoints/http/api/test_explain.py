import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Semaphore
from typing import Any, cast

import pytest
from dependency_injector import providers
from pydantic_core import to_json
from starlette.testclient import TestClient

from domain.data.schema import Matrix
from domain.errors import NotSupported
from domain.features.encoding import FeatureEncoding
from domain.scoring.explanation import FeatureContributions
from entrypoints.http.app import Application
from entrypoints.http.middleware.request_context import CLIENT_CLOSED_REQUEST
from entrypoints.wiring.container import Container
from tests.fakes.model import MemoryExplainer, MemoryExplainers
from tests.support.json_schema import fits, resolved
from tests.support.orchard import planted
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until

ROW = SCHEMA.example


def _serve(wired: Container) -> Iterator[TestClient]:
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
        ready = "/health/ready"
        wait_until(lambda: client.get(ready).status_code == 200, 20, lambda: client.get(ready).text)
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    yield from _serve(planted(max_explained_rows=5))


@pytest.fixture(scope="module")
def bare() -> Iterator[TestClient]:
    """A server without the libraries that explain."""

    def missing() -> None:
        raise NotSupported("shap is not installed; explanations come with the extra")

    wired = planted()
    wired.served_explainers.override(providers.Callable(missing))
    yield from _serve(wired)


def _post(client: TestClient, body: Any) -> Any:
    return client.post("/explain", json=body)


def test_contributions_add_up_to_what_predict_answers(client: TestClient) -> None:
    rows = [ROW, {**ROW, "age": None, "sort": "apple"}]
    answer = _post(client, {"data": rows}).json()
    predicted = client.post("/predict", json={"data": rows}).json()
    assert answer["model"] == predicted["model"] == "orchard/1"
    for told, prediction in zip(answer["explanations"], predicted["predictions"], strict=True):
        assert told["prediction"] == prediction
        assert list(told["contributions"]) == [*SCHEMA.names]
        assert told["base"] + sum(told["contributions"].values()) == pytest.approx(prediction)


def test_the_answer_is_as_documented(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/explain"]["post"]
    answer = _post(client, operation["requestBody"]["content"]["application/json"]["example"])
    assert fits(answer.json(), resolved(document, "ExplainResponse"))
    assert {"200", "400", "401", "413", "415", "422", "501", "503"} <= {*operation["responses"]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"data": [{**ROW, "height": 99}]}, 422, "1 field of the request breaks"),
        ({"data": []}, 422, "there are no rows"),
        ({"rows": []}, 422, "the body: has no data"),
        ({"data": [ROW] * 6}, 413, "6 rows in one request; allowed: 5"),
    ],
)
def test_an_invalid_request_gets_a_problem_document(
    client: TestClient, body: Any, status: int, said: str
) -> None:
    answer = _post(client, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_other_types_and_methods_are_refused(client: TestClient) -> None:
    assert (
        client.post("/explain", content=b"a,b", headers={"content-type": "text/csv"}).status_code
        == 415
    )
    assert client.get("/explain").status_code == 405


def test_without_the_libraries_the_response_names_the_missing_one(bare: TestClient) -> None:
    answer = _post(bare, {"data": [ROW]})
    assert (answer.status_code, answer.json()["title"]) == (501, "Not supported")
    assert "shap is not installed" in answer.json()["detail"]
    assert bare.post("/predict", json={"data": [ROW]}).status_code == 200


class Slow(MemoryExplainers):
    """Explainers whose explanations wait until the test continues them."""

    def __init__(self) -> None:
        self.started, self.continued = Semaphore(0), Event()
        self.calls = 0

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> MemoryExplainer:
        loaded = super().load(encoding, files)
        return cast(MemoryExplainer, SlowExplainer(self, loaded))


@dataclass(frozen=True)
class SlowExplainer:
    explainers: Slow
    loaded: MemoryExplainer

    def explain(self, columns: Matrix) -> FeatureContributions:
        self.explainers.calls += 1
        self.explainers.started.release()
        assert self.explainers.continued.wait(20)
        return self.loaded.explain(columns)


@pytest.fixture
def slow() -> Iterator[tuple[TestClient, Slow, Application]]:
    """A server that explains one request at once, and is explaining its first row."""
    wired, explainers = planted(max_explanations_in_flight=1), Slow()
    wired.served_explainers.override(providers.Object(explainers))
    app = Application(wired)
    try:
        with TestClient(app) as client:
            assert explainers.started.acquire(timeout=20)
            yield client, explainers, app
            explainers.continued.set()
    finally:
        explainers.continued.set()


def test_beyond_the_limit_a_request_is_refused_and_others_are_answered(
    slow: tuple[TestClient, Slow, Application],
) -> None:
    client, explainers, _ = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_post, client, {"data": [ROW]})
        assert explainers.started.acquire(timeout=20)
        refused = _post(client, {"data": [ROW]})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "allowed: 1 explanations at once" in refused.json()["detail"]
        assert client.post("/predict", json={"data": [ROW] * 100}).status_code == 200
        assert client.get("/metrics").status_code == 200
        explainers.continued.set()
        assert first.result().status_code == 200
    assert _post(client, {"data": [ROW]}).status_code == 200


def test_the_work_stops_when_the_caller_leaves(
    slow: tuple[TestClient, Slow, Application],
) -> None:
    client, explainers, app = slow
    left = asyncio.Event()
    messages = [{"type": "http.request", "body": to_json({"data": [ROW] * 50})}]
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def leave() -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/explain",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"x"), (b"content-type", b"application/json")],
        }
        asked = asyncio.create_task(app(scope, receive, send))
        assert await asyncio.to_thread(explainers.started.acquire, timeout=20)
        left.set()
        await asked

    assert client.portal is not None
    client.portal.call(leave)
    assert sent[0]["status"] == CLIENT_CLOSED_REQUEST
    before = explainers.calls
    explainers.continued.set()
    wait_until(lambda: _post(client, {"data": [ROW]}).status_code == 200, 20, lambda: "no answer")
    assert explainers.calls == before + 1  # of 50 rows, the first few only
