"""Whatever is sent, the answer has the form of its protocol, and nothing of it comes back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from entrypoints.http.app import Application
from tests.fakes.model import LinearPredictor, MemoryRuntime
from tests.support.orchard import planted
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until
from tests.unit.entrypoints.http.protocols.wire import (
    HEADER,
    as_binary,
    as_csv,
    as_json,
    mlflow_forms,
    tensors,
)

MARKER = "SESAME"
INFER = "/v2/models/orchard/infer"
ROWS = [SCHEMA.example, {**SCHEMA.example, "age": None}]
V2 = json.loads(as_json(tensors(SCHEMA, ROWS, binary=False), id="1").content)
BINARY = as_binary(tensors(SCHEMA, ROWS, binary=True))

TEXTS = st.text(max_size=4).map(lambda text: f"{MARKER}{text}")
ODD = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**30, 10**400, -1, 2**31, 2**63, 1e308, float("nan"), float("inf")]),
    st.lists(TEXTS | st.integers(), max_size=3),
    st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2),
    st.sampled_from([[[[]]], {"binary_data_size": 8}, {"binary_data": MARKER}, ["prediction"]]),
)


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """Draw the value with something odd in one place of it, or with something more."""
    if draw(st.integers(0, 4)) == 0 or not isinstance(value, list | dict) or not value:
        return draw(ODD)
    if isinstance(value, list):
        position = draw(st.integers(0, len(value) - 1))
        return [*value[:position], draw(spoilt(value[position])), *value[position + 1 :]]
    name = draw(st.sampled_from([*value]))
    if draw(st.integers(0, 5)) == 0:
        return {**value, draw(TEXTS): draw(ODD)}
    return {**value, name: draw(spoilt(value[name]))}


@st.composite
def cut(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the bytes with some of them taken out and some put in."""
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    inside = draw(st.binary(max_size=8) | st.just(MARKER.encode()))
    return content[:start] + inside + content[draw(st.sampled_from([start, end])) :]


def assert_fine(answer: Any, error: set[str], id_of_caller: object = None) -> None:
    assert answer.status_code in {200, 400, 413, 415}, answer.text
    if answer.status_code != 200:
        assert answer.json().keys() == error
        assert MARKER not in answer.text
        assert "Traceback" not in answer.text


@given(body=spoilt(V2))
def test_any_inference_request_in_json(client: TestClient, body: Any) -> None:
    assert_fine(client.post(INFER, content=json.dumps(body)), {"error"})


@given(
    body=cut(BINARY.content),
    header=st.just(BINARY.header) | st.integers(-2, 700).map(str) | st.just(MARKER),
)
def test_any_inference_request_in_bytes(client: TestClient, body: bytes, header: str) -> None:
    assert_fine(client.post(INFER, content=body, headers={HEADER: header}), {"error"})


@given(
    body=st.binary(max_size=60),
    name=st.sampled_from([HEADER, "content-type", "content-encoding", "accept"]),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
)
def test_any_bytes_and_headers(client: TestClient, body: bytes, name: str, value: str) -> None:
    headers = {name: MARKER + value}
    assert_fine(client.post(INFER, content=body, headers=headers), {"error"})
    answer = client.post("/invocations", content=body, headers=headers)
    assert_fine(answer, {"error_code", "message"})


@given(data=st.data())
def test_any_json_for_mlflow(client: TestClient, data: st.DataObject) -> None:
    body = data.draw(spoilt(data.draw(st.sampled_from(mlflow_forms(SCHEMA, ROWS)))))
    headers = {"content-type": "application/json"}
    answer = client.post("/invocations", content=json.dumps(body), headers=headers)
    assert_fine(answer, {"error_code", "message"})


@given(body=cut(as_csv(SCHEMA.names, ROWS)))
def test_any_csv_for_mlflow(client: TestClient, body: bytes) -> None:
    answer = client.post("/invocations", content=body, headers={"content-type": "text/csv"})
    assert_fine(answer, {"error_code", "message"})


@dataclass(frozen=True)
class Faulty:
    """A predictor that cannot answer for two rows."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        if len(matrix) == len(ROWS):
            raise ZeroDivisionError(MARKER)
        return self.sound.predict(matrix)


class FaultyRuntime(MemoryRuntime):
    """A runtime with a fault of its own."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Faulty(super().load(schema, files))


def test_an_internal_error_has_no_traceback() -> None:
    wired = planted()
    wired.runtime.override(providers.Object(FaultyRuntime()))
    text = "the request failed by a fault of the server"
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/ping").status_code == 200, 20, lambda: "it is not ready")
        inferred = client.post(INFER, json=V2)
        scored = client.post("/invocations", json={"instances": ROWS})
    assert (inferred.status_code, inferred.json()) == (500, {"error": text})
    assert scored.json() == {"error_code": "INTERNAL_ERROR", "message": text}
    assert scored.status_code == 500
