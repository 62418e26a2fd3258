from collections.abc import Iterator
from typing import Any

import pytest
from dependency_injector import providers
from starlette.testclient import TestClient

from domain.errors import NotSupported
from entrypoints.http.app import Application
from entrypoints.wiring.container import Container
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
    wired.explainers.override(providers.Callable(missing))
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
