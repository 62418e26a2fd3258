"""The application on ports in memory, without a socket: what a caller gets, byte by byte."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from dependency_injector import providers
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from entrypoints.http.app import Application
from entrypoints.wiring.container import Container
from entrypoints.wiring.settings import Accelerators
from tests.fakes.model import LinearPredictor, MemoryRuntime, MemoryStore
from tests.support.json_schema import fits
from tests.support.orchard import ORCHARD, orchard, planted, train
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until

MAX_ROWS = 200
MAX_BYTES = 40_000
MARKER = "SESAME"
HIGHEST = 12.0
ROW = SCHEMA.example
JSON = {"content-type": "application/json"}


def client_of(wired: Container) -> TestClient:
    return TestClient(Application(wired), raise_server_exceptions=False)


def is_ready(client: TestClient) -> bool:
    ready = client.get("/health/ready")
    return ready.status_code == 200 and not ready.json()["degraded"]


@pytest.fixture(scope="module", params=Accelerators)
def accelerators(request: pytest.FixtureRequest) -> Accelerators:
    return Accelerators(request.param)


@pytest.fixture(scope="module")
def wired(accelerators: Accelerators) -> Container:
    return planted(max_rows=MAX_ROWS, max_body_bytes=MAX_BYTES, accelerators=accelerators)


@pytest.fixture(scope="module")
def client(wired: Container) -> Iterator[TestClient]:
    with client_of(wired) as client:
        wait_until(lambda: is_ready(client), 20, lambda: client.get("/health/ready").text)
        yield client


def post(client: TestClient, content: bytes | str, **headers: str) -> Any:
    return client.post("/predict", content=content, headers={**JSON, **headers})


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Return the document of a problem, after checking its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == "about:blank"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert MARKER not in answer.text
    assert "Traceback" not in answer.text
    return dict(document)


# --- what works


def test_predictions_are_those_of_the_model(client: TestClient, wired: Container) -> None:
    rows = [ROW, {**ROW, "age": None}, {**ROW, "height": 12}]
    answer = client.post("/predict", json={"data": rows})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    model = wired.load_model()(ORCHARD)
    expected = model.predictor.predict(SCHEMA.encode_records(rows)).tolist()
    assert answer.json() == {"predictions": expected, "model": "orchard/1"}


@pytest.mark.parametrize("count", [1, 150])
def test_intervals_are_returned_on_request(
    client: TestClient, wired: Container, count: int
) -> None:
    rows = [{**ROW, "height": 0.5 + row / 100} for row in range(count)]
    answer = client.post("/predict", json={"data": rows, "interval": 0.9, "extrapolates": True})
    assert answer.status_code == 200
    document = answer.json()
    assert [*document] == ["predictions", "intervals", "extrapolates", "model"]
    plain = client.post("/predict", json={"data": rows}).json()
    assert document["predictions"] == plain["predictions"]
    model = wired.load_model()(ORCHARD)
    matrix = SCHEMA.encode_records(rows)
    bounds = model.bounds(matrix, model.predictor.predict(matrix), 0.9)
    assert document["intervals"] == bounds.pairs
    assert document["extrapolates"] == [[*names] for names in model.out_of_domain(matrix)]


def test_a_row_out_of_domain_is_marked(client: TestClient) -> None:
    asked = {"data": [ROW, {**ROW, "age": 40_000}], "extrapolates": True}
    assert client.post("/predict", json=asked).json()["extrapolates"] == [[], ["age"]]


@pytest.mark.parametrize("interval", [None, 0.9])
def test_a_null_interval_means_no_interval(client: TestClient, interval: float | None) -> None:
    answer = client.post("/predict", json={"data": [ROW], "interval": interval}).json()
    assert ("intervals" in answer) == (interval is not None)


@pytest.mark.parametrize("interval", [0, 0.4, 0.9999, 90, -1])
def test_a_level_that_is_not_allowed_is_rejected(client: TestClient, interval: float) -> None:
    found = problem(client.post("/predict", json={"data": [ROW], "interval": interval}), 422)
    assert "interval: this level is not allowed; allowed: a number from 0.5 to" in found["detail"]


@pytest.mark.parametrize("interval", [MARKER, [0.9], {}, True])
def test_a_level_that_is_not_a_number_is_rejected(client: TestClient, interval: object) -> None:
    found = problem(client.post("/predict", json={"data": [ROW], "interval": interval}), 422)
    assert found["detail"].startswith("interval: is not a valid number; allowed: ")


def test_a_nullable_field_may_be_absent(client: TestClient) -> None:
    without = {name: value for name, value in ROW.items() if name != "age"}
    answers = [
        client.post("/predict", json={"data": [row]}).json()["predictions"]
        for row in (without, {**ROW, "age": None})
    ]
    assert answers[0] == answers[1]


def test_many_rows_are_answered_as_one_by_one(client: TestClient) -> None:
    rows = [{**ROW, "height": 0.5 + row / 20} for row in range(MAX_ROWS)]
    together = client.post("/predict", json={"data": rows}).json()["predictions"]
    alone = [
        client.post("/predict", json={"data": [row]}).json()["predictions"][0] for row in rows[::20]
    ]
    assert together[::20] == alone


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;",
    ],
)
def test_json_may_be_announced_in_any_way_that_means_it(
    client: TestClient, media_type: str
) -> None:
    body = json.dumps({"data": [ROW]})
    assert post(client, body, **{"content-type": media_type}).status_code == 200


def test_health_reports_a_running_server(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/health/live").json() == {"live": True}
    ready = client.get("/health/ready").json()
    assert datetime.fromisoformat(ready.pop("since")).utcoffset() is not None
    assert ready == {
        "ready": True,
        "model": "orchard/1",
        "degraded": False,
        "problem": None,
        "reloads": {"loaded": 0, "restored": 1, "rejected": 0, "failed": 0},
    }


def test_the_served_model_is_described(client: TestClient) -> None:
    described = client.get("/model").json()
    assert described["model"] == "orchard/1"
    assert [feature["name"] for feature in described["features"]] == list(SCHEMA.names)


def test_the_document_describes_the_row_of_the_model(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {*document["paths"]} >= {
        "/predict",
        "/health",
        "/health/live",
        "/health/ready",
        "/model",
    }
    row = document["components"]["schemas"]["Row"]
    assert [*row["properties"]] == list(SCHEMA.names)
    assert "Unit: m." in row["properties"]["height"]["description"]
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"][
        "example"
    ]
    assert all(fits(each, row) for each in example["data"])
    assert client.post("/predict", json=example).status_code == 200


def schemas(node: object) -> Iterator[dict[str, Any]]:
    """Return all objects inside a document."""
    if isinstance(node, dict):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from schemas(child)


def test_generators_of_clients_can_read_the_document(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for schema in schemas(document):
        kinds = schema.get("type", ())
        if kinds == "array" or (isinstance(kinds, list) and "array" in kinds):
            assert "items" in schema, schema
        assert "maxItems" not in schema or schema["maxItems"] < 3  # more rows are a 413
    body = document["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    names = [form["$ref"].rpartition("/")[2] for form in body["schema"]["oneOf"]]
    required = [document["components"]["schemas"][name]["required"] for name in names]
    assert required == [["dataframe_split"], ["dataframe_records"], ["instances"], ["inputs"]]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            given = {each["name"]: each["schema"] for each in operation.get("parameters", ())}
            wanted = {"model": ["orchard"], "version": ["1"]}
            assert {name: schema["enum"] for name, schema in given.items()} == {
                name: values for name, values in wanted.items() if f"{{{name}}}" in path
            }


def test_the_start_page_is_the_documentation_which_needs_no_other_site(client: TestClient) -> None:
    page = client.get("/", follow_redirects=True)
    assert page.status_code == 200
    assert page.url.path == "/docs"
    assert "https://" not in page.text
    addresses = re.findall(r"""(?:href=|src=|url: )["']([^"']+)""", page.text)
    assert len(addresses) == 4
    for address in addresses:
        assert not address.startswith(("/", "http"))  # a proxy may serve the page elsewhere
        assert client.get(f"/{address}").status_code == 200


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "docs"),
        ("/docs/", "../docs"),
        ("/predict/", "../predict"),
        ("/v2/models/orchard/ready/", "../ready"),
    ],
)
def test_redirects_are_relative(client: TestClient, path: str, target: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, target)


PATHS = [
    "/",
    "/docs",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/model",
    "/nothing",
    "/openapi.json",
    "/ping",
    "/predict",
    "/swagger/swagger-ui.css",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/orchard",
    "/v2/models/orchard/ready",
    "/v2/models/other",
    "/version",
]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get_is(client: TestClient, path: str) -> None:
    got = client.get(path, follow_redirects=False)
    answer = client.head(path, follow_redirects=False)
    varying = ("x-request-id", "content-length") if path == "/metrics" else ("x-request-id",)
    assert answer.status_code == got.status_code
    assert without(answer.headers, *varying) == without(got.headers, *varying)
    assert answer.content == b""


def without(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}


# --- what does not


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "not JSON": (b"SESAME", 400),
    "cut off": (b'{"data": [{"height": "SESAME', 400),
    "a trailing comma": (b'{"data": [],}', 400),
    "invalid UTF-8": (b'{"data": [{"sort": "SESAME\xff"}]}', 400),
    "a lone surrogate": (rb'{"data": [{"sort": "SESAME\ud800"}]}', 400),
    "NaN": (b'{"data": [{"height": NaN}]}', 400),
    "Infinity": (b'{"data": [{"height": -Infinity}]}', 400),
    "deep nesting": (b'{"data": ' + b"[" * 30_000, 400),
    "an absurdly long number": (b'{"data": [' + b"9" * 30_000 + b"]}", 400),
    "a list": (b"[1]", 422),
    "null": (b"null", 422),
    "no data": (b"{}", 422),
    "other fields": (b'{"rows": "SESAME"}', 422),
    "a field too many": (b'{"data": [], "SESAME": 1}', 422),
    "data of the wrong type": (b'{"data": "SESAME"}', 422),
    "data as an object": (b'{"data": {"height": 1}}', 422),
    "no rows": (b'{"data": []}', 422),
    "data twice": (b'{"data": [], "data": [{"height": "SESAME"}]}', 422),
    "too many rows": (json.dumps({"data": [1] * (MAX_ROWS + 1)}).encode(), 413),
    "too long": (b'{"data": ["' + b"x" * MAX_BYTES + b'"]}', 413),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_invalid_body_is_rejected(client: TestClient, name: str) -> None:
    content, status = BODIES[name]
    document = problem(post(client, content), status)
    assert "errors" not in document


def test_messages_name_what_is_allowed(client: TestClient) -> None:
    said = {name: post(client, BODIES[name][0]).json()["detail"] for name in BODIES}
    for name in ("a list", "no data", "a field too many", "data of the wrong type"):
        assert 'allowed: {"data": [{…}, …]}' in said[name]
    assert said["no rows"] == "there are no rows to predict; allowed: at least one"
    assert said["too many rows"] == f"{MAX_ROWS + 1} rows in one request; allowed: {MAX_ROWS}"
    assert said["too long"] == f"the body is too long; allowed: {MAX_BYTES} bytes"
    assert "line 1 column" in said["not JSON"]


FIELDS: dict[str, tuple[dict[str, object], str, str, str]] = {
    "missing": ({"height": None}, "height", "is missing", "a number from 0.5 to 12 (m)"),
    "text": ({"height": MARKER}, "height", "is not a number", "a number from 0.5 to 12 (m)"),
    "a digit as text": ({"height": "5"}, "height", "is not a number", "a number from"),
    "a boolean": ({"height": True}, "height", "is not a number", "a number from"),
    "a list": ({"height": [MARKER]}, "height", "is not a number", "a number from"),
    "an object": ({"height": {MARKER: 1}}, "height", "is not a number", "a number from"),
    "too small": ({"height": 0.4999}, "height", "is out of range", "a number from 0.5"),
    "too large": ({"height": 1e300}, "height", "is out of range", "a number from 0.5"),
    "a fraction": ({"age": 1.5}, "age", "is not a whole number", "an integer of at least 1"),
    "an unknown category": ({"sort": MARKER}, "sort", "is not a known category", "one of 'apple'"),
    "a category as a number": ({"sort": 1}, "sort", "is not text", "one of 'apple'"),
    "a number as a boolean": ({"watered": 1}, "watered", "is not true or false", "true or false"),
    "an unknown field": ({MARKER: MARKER}, "", "has 1 unknown field", "the fields height, age"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_violation_names_the_field_and_what_is_allowed(client: TestClient, name: str) -> None:
    changes, field, said, allowed = FIELDS[name]
    answer = client.post("/predict", json={"data": [ROW, {**ROW, **changes}]})
    (entry,) = problem(answer, 422)["errors"]
    assert (entry["row"], entry["field"], entry["problem"]) == (1, field, said)
    assert allowed in entry["allowed"]


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "9" * 400])
def test_a_number_that_is_not_finite_is_rejected(client: TestClient, literal: str) -> None:
    body = json.dumps({"data": [{**ROW, "height": 0}]}).replace(
        '"height": 0', f'"height": {literal}'
    )
    (entry,) = problem(post(client, body), 422)["errors"]
    assert (entry["field"], entry["problem"]) == ("height", "is not a finite number")


def test_a_repeated_field_is_rejected(client: TestClient) -> None:
    row = json.dumps(ROW)
    body = f'{{"data": [{row}, {row[:-1]}, "height": 1}}]}}'
    (entry,) = problem(post(client, body), 422)["errors"]
    assert (entry["row"], entry["problem"]) == (1, "has a field twice")


@pytest.mark.parametrize("row", [None, 1, MARKER, [1, 2], True, [ROW]])
def test_a_row_that_is_not_an_object_is_rejected(client: TestClient, row: object) -> None:
    (entry,) = problem(client.post("/predict", json={"data": [row]}), 422)["errors"]
    assert (entry["row"], entry["field"], entry["problem"]) == (0, "", "is not an object")
    assert "height, age, sort, watered" in entry["allowed"]


def test_all_violations_are_listed_up_to_a_hundred(client: TestClient) -> None:
    document = problem(client.post("/predict", json={"data": [{}] * 50}), 422)
    assert len(document["errors"]) == 100
    assert document["detail"] == (
        "150 fields of the request break the schema; the first 100 are listed"
    )


@pytest.mark.parametrize(
    "media_type", ["", "text/csv", "text/plain", "application/x-www-form-urlencoded", MARKER]
)
def test_another_content_type_is_rejected(client: TestClient, media_type: str) -> None:
    answer = post(client, json.dumps({"data": [ROW]}), **{"content-type": media_type})
    assert "application/json" in problem(answer, 415)["detail"]


@pytest.mark.parametrize("length", ["5", "0", "-1", "x", "1.5", "1e9", "", "9" * 30, "²", "1 2"])
def test_the_announced_length_is_only_a_hint(client: TestClient, length: str) -> None:
    answer = client.post(
        "/predict",
        content=json.dumps({"data": [ROW]}).encode(),
        headers=[(b"content-type", b"application/json"), (b"content-length", length.encode())],
    )
    assert answer.status_code == (413 if len(length) == 30 else 200), answer.text


@pytest.mark.parametrize("length", ["1", "x", None])
def test_a_body_over_the_limit_is_rejected_whatever_length_is_announced(
    client: TestClient, length: str | None
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"data": ["'
        for _ in range(100):
            yield b"x" * 1_000

    headers = JSON if length is None else {**JSON, "content-length": length}
    answer = client.post("/predict", content=chunks(), headers=headers)
    assert "too long" in problem(answer, 413)["detail"]


@pytest.mark.parametrize("path", ["/nothing", f"/{MARKER}", "/model/x"])
def test_an_unknown_path_is_a_problem_document(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert problem(answer, 404)["title"] == "Not Found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("HEAD", "/predict", "POST"),
        ("DELETE", "/predict", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/swagger/swagger-ui.css", "GET, HEAD"),
        ("OPTIONS", "/predict", "POST"),
    ],
)
def test_a_wrong_method_is_a_problem_document(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    if method != "HEAD":
        problem(answer, 405)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


GARBAGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.text(max_size=4).map(lambda text: text + MARKER),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*SCHEMA.names, "data", MARKER]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300)
@given(
    st.one_of(
        GARBAGE,
        st.builds(lambda rows: {"data": rows}, st.lists(GARBAGE, max_size=3)),
        st.builds(
            lambda name, value: {"data": [{**ROW, name: value}]},
            st.sampled_from(SCHEMA.names),
            GARBAGE,
        ),
    )
)
def test_any_json_is_answered_or_rejected_and_never_echoed(
    client: TestClient, body: object
) -> None:
    answer = post(client, json.dumps(body))
    assert MARKER not in answer.text
    if answer.status_code == 200:
        assert all(map(math.isfinite, answer.json()["predictions"]))
    else:
        assert answer.status_code in (400, 413, 422)
        problem(answer, answer.status_code)


@settings(max_examples=100)
@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda tail: b'{"data": [' + tail))
def test_any_bytes_are_rejected(client: TestClient, body: bytes) -> None:
    answer = post(client, body)
    problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)


# --- when


@dataclass(frozen=True)
class Faulty:
    """A predictor that cannot answer for the highest trees."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        if (matrix[:, 0] == HIGHEST).any():
            raise ZeroDivisionError(MARKER)
        return self.sound.predict(matrix)


class FaultyRuntime(MemoryRuntime):
    """A runtime with a fault of its own."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Faulty(super().load(schema, files))


def test_an_internal_error_has_no_traceback(accelerators: Accelerators) -> None:
    wired = planted(accelerators=accelerators)
    wired.runtime.override(providers.Object(FaultyRuntime()))
    with client_of(wired) as client:
        wait_until(lambda: is_ready(client), 20, lambda: client.get("/health/ready").text)
        row = {**ROW, "height": HIGHEST}
        document = problem(client.post("/predict", json={"data": [row]}), 500)
    assert document["detail"] == "the request failed by a fault of the server"


@dataclass(frozen=True)
class Overflowing:
    """A predictor whose arithmetic overflows for the highest trees."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        return np.where(matrix[:, 0] == HIGHEST, np.inf, self.sound.predict(matrix))


class OverflowingRuntime(MemoryRuntime):
    """A runtime of predictors that overflow."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Overflowing(super().load(schema, files))


@pytest.mark.parametrize("rows", [2, 100])
def test_a_prediction_that_is_not_finite_is_an_error(rows: int, accelerators: Accelerators) -> None:
    wired = planted(accelerators=accelerators)
    wired.runtime.override(providers.Object(OverflowingRuntime()))
    data = [ROW, {**ROW, "height": HIGHEST}, *[ROW] * (rows - 2)]
    with client_of(wired) as client:
        wait_until(lambda: is_ready(client), 20, lambda: client.get("/health/ready").text)
        (entry,) = problem(client.post("/predict", json={"data": data}), 422)["errors"]
    assert (entry["row"], entry["problem"]) == (1, "has no finite prediction")


def test_a_server_predicts_once_there_is_a_model(accelerators: Accelerators) -> None:
    store = MemoryStore()
    wired = orchard(store, poll_seconds=0.05, accelerators=accelerators)
    with client_of(wired) as client:
        wait_until(
            lambda: "no model 'orchard'" in client.get("/health/ready").text,
            20,
            lambda: client.get("/health/ready").text,
        )
        for answer in (
            client.get("/health/ready"),
            client.get("/model"),
            client.post("/predict", json={"data": [ROW]}),
        ):
            assert "no model 'orchard'" in problem(answer, 503)["detail"]
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200
        assert client.get("/health/live").status_code == 200
        early = client.get("/openapi.json").json()
        assert not early["components"]["schemas"]["Row"].get("properties")
        train(wired)
        wait_until(lambda: is_ready(client), 20, lambda: client.get("/health/ready").text)
        assert client.post("/predict", json={"data": [ROW]}).status_code == 200
        late = client.get("/openapi.json").json()
        assert [*late["components"]["schemas"]["Row"]["properties"]] == list(SCHEMA.names)
