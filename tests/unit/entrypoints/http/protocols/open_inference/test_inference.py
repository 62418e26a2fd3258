"""The Open Inference Protocol, message by message."""

import json
import struct
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrypoints.http.app import Application
from tests.support.orchard import orchard
from tests.support.samples import SCHEMA
from tests.unit.entrypoints.http.protocols.conftest import MAX_BYTES, MAX_ROWS
from tests.unit.entrypoints.http.protocols.wire import HEADER, Message, as_binary, as_json, tensors

MARKER = "SESAME"
INFER = "/v2/models/orchard/infer"
ROWS = [SCHEMA.example, {**SCHEMA.example, "age": None, "sort": "plüm"}]
GOOD = tensors(SCHEMA, ROWS, binary=False)
BINARY_OUTPUT = [{"name": "prediction", "parameters": {"binary_data": True}}]


def infer(client: TestClient, message: Message, path: str = INFER, **headers: str) -> Any:
    return client.post(path, content=message.content, headers={**message.headers, **headers})


def native(client: TestClient, rows: list[dict[str, Any]]) -> list[float]:
    answer = client.post("/predict", json={"data": rows})
    return [*answer.json()["predictions"]]


def error(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert MARKER not in answer.text
    assert [*answer.json()] == ["error"]
    return str(answer.json()["error"])


def changed(position: int, **fields: Any) -> list[dict[str, Any]]:
    """Return good inputs with some fields of one exchanged, or taken away where None."""
    inputs = [dict(item) for item in GOOD]
    inputs[position] |= fields
    inputs[position] = {name: v for name, v in inputs[position].items() if v is not None}
    return inputs


# --- what works


def test_the_metadata_of_the_server(client: TestClient) -> None:
    document = client.get("/v2").json()
    assert document["name"] == "modelport"
    assert document["extensions"] == ["binary_tensor_data", "model_configuration"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/v2/models/orchard", "/v2/models/orchard/versions/1"])
def test_the_model_is_described_by_its_schema(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {
        "name": "orchard",
        "versions": ["1"],
        "platform": "modelport_onnx",
        "inputs": [
            {"name": "height", "datatype": "FP64", "shape": [-1]},
            {"name": "age", "datatype": "FP64", "shape": [-1]},
            {"name": "sort", "datatype": "BYTES", "shape": [-1]},
            {"name": "watered", "datatype": "BOOL", "shape": [-1]},
        ],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }
    assert client.get(f"{path}/ready").json() == {"name": "orchard", "ready": True}
    assert infer(client, as_json(GOOD), f"{path}/infer").status_code == 200


def test_an_answer_in_json(client: TestClient) -> None:
    answer = infer(client, as_json(GOOD, id="a 1"), **{"content-type": "application/json"})
    assert answer.json() == {
        "model_name": "orchard",
        "model_version": "1",
        "id": "a 1",
        "outputs": [
            {
                "name": "prediction",
                "datatype": "FP64",
                "shape": [2],
                "data": native(client, ROWS),
            }
        ],
    }


@pytest.mark.parametrize(
    "wanted",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": BINARY_OUTPUT},
        {"outputs": BINARY_OUTPUT, "parameters": {"binary_data_output": False}},
    ],
)
def test_an_answer_in_bytes(client: TestClient, wanted: dict[str, Any]) -> None:
    answer = infer(client, as_binary(tensors(SCHEMA, ROWS, binary=True), **wanted))
    length = int(answer.headers[HEADER])
    (output,) = json.loads(answer.content[:length])["outputs"]
    assert output == {
        "name": "prediction",
        "datatype": "FP64",
        "shape": [2],
        "parameters": {"binary_data_size": 16},
    }
    assert [*struct.unpack("<2d", answer.content[length:])] == native(client, ROWS)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"outputs": []},
        {"outputs": [{"name": "prediction"}]},
        {
            "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}],
            "parameters": {"binary_data_output": True},
        },
        {"id": None, "parameters": None, "outputs": None, "model_name": "orchard"},
        {"parameters": {"sequence_id": 3, "priority": 1, "timeout": 5, "content_type": "np"}},
    ],
)
def test_the_response_is_json_unless_bytes_are_requested(
    client: TestClient, wanted: dict[str, Any]
) -> None:
    (output,) = infer(client, as_json(GOOD, **wanted)).json()["outputs"]
    assert output["data"] == native(client, ROWS)


def test_tensors_in_json_and_in_bytes_may_be_mixed(client: TestClient) -> None:
    described = as_binary(tensors(SCHEMA, ROWS, binary=True)[:2])
    length = int(described.header or 0)
    inputs = [*json.loads(described.content[:length])["inputs"], *GOOD[2:]]
    header = json.dumps({"inputs": inputs}).encode()
    message = Message(header + described.content[length:], str(len(header)))
    (output,) = infer(client, message).json()["outputs"]
    assert output["data"] == native(client, ROWS)


def test_a_short_float_is_the_number_that_it_is(client: TestClient) -> None:
    short = struct.unpack("<f", struct.pack("<f", 4.7))[0]
    inputs = changed(0, datatype="FP32", data=[4.7, 4.7])
    (output,) = infer(client, as_json(inputs)).json()["outputs"]
    assert output["data"] == native(client, [{**row, "height": short} for row in ROWS])


def test_as_many_rows_as_allowed(client: TestClient) -> None:
    rows = [{**SCHEMA.example, "height": 0.5 + row / 20} for row in range(MAX_ROWS)]
    message = as_binary(tensors(SCHEMA, rows, binary=True), outputs=[{"name": "prediction"}])
    (output,) = infer(client, message).json()["outputs"]
    assert output["data"] == native(client, rows)
    more = as_binary(tensors(SCHEMA, [*rows, rows[0]], binary=True))
    assert error(infer(client, more), 413) == "201 rows in one request; allowed: 200"


# --- what does not


@pytest.mark.parametrize(
    "path", [f"/v2/{MARKER}", "/v2/models", "/v2/models/orchard/load", "/v2/logging"]
)
def test_an_unknown_path_is_answered_in_the_form_of_the_protocol(
    client: TestClient, path: str
) -> None:
    for answer in (client.get(path), client.post(path)):
        assert error(answer, 404).startswith("this call is not supported; supported: ")


def test_a_wrong_method_is_answered_in_the_form_of_the_protocol(client: TestClient) -> None:
    answer = client.get(INFER)
    assert error(answer, 405) == "Method Not Allowed"
    assert answer.headers["allow"] == "POST"
    assert error(client.post("/v2"), 405) == "Method Not Allowed"


@pytest.mark.parametrize("rest", ["", "/ready", "/versions/1", "/versions/1/ready"])
def test_another_model_is_not_here(client: TestClient, rest: str) -> None:
    text = "there is no model of this name; the model here is 'orchard'"
    assert error(client.get(f"/v2/models/{MARKER}{rest}"), 404) == text


@pytest.mark.parametrize("version", ["2", "01", "-1", "x", MARKER])
def test_another_version_is_not_here(client: TestClient, version: str) -> None:
    text = "this version of 'orchard' is not here; version 1 is"
    path = f"/v2/models/orchard/versions/{version}"
    assert error(client.get(path), 404) == text
    assert error(infer(client, as_json(GOOD), f"{path}/infer"), 404) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "the body: is not an object"),
        ({}, "the body: has no inputs; allowed"),
        ({"inputs": GOOD, MARKER: 1}, "the body: has an unknown field"),
        ({"inputs": GOOD, "id": 1}, "id: is not a valid string"),
        ({"inputs": {}}, "inputs: is not a list"),
        ({"inputs": []}, "there are no rows"),
        ({"inputs": [1]}, "inputs[0]: is not an object"),
        ({"inputs": changed(1, name=None)}, "inputs[1]: has no name"),
        ({"inputs": changed(1, name=1)}, "inputs[1].name: is not a valid string"),
        ({"inputs": changed(1, name=MARKER)}, "inputs[1]: is not a feature; allowed: height, age"),
        ({"inputs": changed(1, name="height")}, "inputs[1]: 'height' is given twice"),
        ({"inputs": changed(1, datatype=MARKER)}, "inputs[1].datatype: allowed: BOOL, UINT8"),
        ({"inputs": changed(1, datatype={})}, "inputs[1].datatype: is not a valid string"),
        ({"inputs": changed(1, datatype="BYTES")}, "inputs[1] 'age': datatype: allowed: FP64, "),
        ({"inputs": changed(2, datatype="FP64")}, "inputs[2] 'sort': datatype: allowed: BYTES"),
        ({"inputs": changed(3, datatype="INT8")}, "inputs[3] 'watered': datatype: allowed: BOOL"),
        ({"inputs": changed(0, shape=2)}, "inputs[0].shape: is not a list"),
        ({"inputs": changed(0, shape=[])}, "inputs[0].shape: List should have at least 1"),
        ({"inputs": changed(0, shape=[-2])}, "inputs[0].shape[0]: is not greater"),
        ({"inputs": changed(0, shape=[2.0])}, "inputs[0].shape[0]: is not a valid integer"),
        ({"inputs": changed(0, shape=[True])}, "inputs[0].shape[0]: is not a valid integer"),
        ({"inputs": changed(0, shape=[10**30])}, "inputs[0].shape[0]: is not less"),
        ({"inputs": changed(0, shape=[2, 1, 1])}, "inputs[0].shape: List should have at most 2"),
        ({"inputs": changed(0, shape=[2, 2])}, "inputs[0] 'height': shape: allowed: [rows]"),
        ({"inputs": changed(0, shape=[0])}, "there are no rows"),
        ({"inputs": changed(1, shape=[3])}, "inputs[1]: has another number of rows"),
        ({"inputs": changed(0, data={})}, "inputs[0].data: is not a list"),
        ({"inputs": changed(0, data=None)}, "inputs[0]: needs data or parameters.binary_data"),
        ({"inputs": changed(0, data=[1.0])}, "inputs[0] 'height': 1 elements where its shape"),
        ({"inputs": changed(0, data=[1.0, MARKER])}, "inputs[0] 'height', element 1: is not a nu"),
        ({"inputs": changed(0, parameters=1)}, "inputs[0].parameters: is not an object"),
        ({"inputs": changed(0, parameters={"binary_data_size": 8})}, "inputs[0]: needs data or"),
        (
            {"inputs": changed(0, data=None, parameters={"shared_memory_region": MARKER})},
            "inputs[0]: needs data or",
        ),
        (
            {"inputs": changed(0, data=None, parameters={"binary_data_size": 16})},
            "inputs[0].parameters.binary_data_size: allowed: from 0 to the 0 bytes",
        ),
        ({"inputs": GOOD[1:]}, "'height' missing; needed: height, age (may be left out), sort"),
        ({"inputs": GOOD, "outputs": 1}, "outputs: is not a list"),
        ({"inputs": GOOD, "outputs": [{"name": MARKER}]}, "outputs[0].name: is not 'prediction'"),
        ({"inputs": GOOD, "outputs": ["prediction"]}, "outputs[0]: is not an object"),
        (
            {"inputs": GOOD, "outputs": BINARY_OUTPUT * 2},
            "outputs: List should have at most 1 item, not 2; allowed",
        ),
        (
            {
                "inputs": GOOD,
                "outputs": [{"name": "prediction", "parameters": {"classification": 2}}],
            },
            "outputs[0].parameters: allowed: binary_data",
        ),
        ({"inputs": GOOD, "parameters": []}, "parameters: is not an object"),
        (
            {"inputs": GOOD, "parameters": {"binary_data_output": 1}},
            "parameters.binary_data_output: is not true or false",
        ),
    ],
)
def test_an_invalid_request_is_explained(client: TestClient, body: Any, text: str) -> None:
    message = Message(json.dumps(body).encode())
    assert error(infer(client, message), 400).startswith(text)


@pytest.mark.parametrize(
    ("position", "data", "text"),
    [
        (0, [1.0, 13.0], "row 1, height: is out of range; allowed: a number from 0.5 to 12 (m)"),
        (0, [None, 1.0], "row 0, height: is missing"),
        (0, [float("nan"), 1.0], "row 0, height: is missing"),
        (0, [1.0, float("-inf")], "row 1, height: is not a finite number"),
        (0, [1.0, 1e400], "row 1, height: is not a finite number"),
        (1, [1.5, None], "row 0, age: is not a whole number"),
        (2, ["pear", MARKER], "row 1, sort: is not a known category; allowed: one of 'apple'"),
        (2, ["pear", ""], "row 1, sort: is not a known category"),
        (2, ["pear", None], "row 1, sort: is missing"),
        (3, [None, True], "row 0, watered: is missing"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(
    client: TestClient, position: int, data: list[Any], text: str
) -> None:
    datatype = "FP64" if position == 1 else GOOD[position]["datatype"]
    answer = infer(client, as_json(changed(position, datatype=datatype, data=data)))
    assert text in error(answer, 400)


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (lambda m: Message(m.content, None), "the body is not JSON"),
        (lambda m: Message(m.content, "0"), "the JSON header is not JSON"),
        (lambda m: Message(m.content, "5"), "the JSON header is not JSON"),
        (lambda m: Message(m.content, "-5"), f"{HEADER}: allowed: from 0 to the"),
        (lambda m: Message(m.content, "1e2"), f"{HEADER}: allowed"),
        (lambda m: Message(m.content, ""), f"{HEADER}: allowed"),
        (lambda m: Message(m.content, MARKER), f"{HEADER}: allowed"),
        (lambda m: Message(m.content, "9" * 5000), f"{HEADER}: allowed"),
        (lambda m: Message(m.content, str(len(m.content) + 1)), f"{HEADER}: allowed"),
        (lambda m: Message(m.content, str(len(m.content))), "the JSON header is not JSON"),
        (lambda m: Message(m.content + b"x", m.header), "1 bytes after the last binary tensor"),
        (lambda m: Message(m.content[:-1], m.header), "inputs[3].parameters.binary_data_size"),
    ],
)
def test_a_length_that_lies_is_found_out(client: TestClient, cut: Any, text: str) -> None:
    whole = as_binary(tensors(SCHEMA, ROWS, binary=True))
    assert infer(client, whole).status_code == 200
    assert error(infer(client, cut(whole)), 400).startswith(text)


def test_the_length_may_be_announced_once_only(client: TestClient) -> None:
    whole = as_binary(tensors(SCHEMA, ROWS, binary=True))
    twice = [(HEADER, whole.header or ""), (HEADER, "1")]
    answer = client.post(INFER, content=whole.content, headers=twice)
    assert error(answer, 400) == f"{HEADER}: is given 2 times; allowed: once"


def test_shape_and_bytes_must_agree(client: TestClient) -> None:
    whole = as_binary(tensors(SCHEMA, ROWS, binary=True))
    length = int(whole.header or 0)
    lying = whole.content[:length].replace(b"[2]", b"[3]") + whole.content[length:]
    text = "inputs[0] 'height': 16 bytes where its shape and datatype FP64 need 24"
    assert error(infer(client, Message(lying, whole.header)), 400) == text


@pytest.mark.parametrize("media_type", ["", "application/json; charset=utf-8"])
def test_json_needs_no_content_type(client: TestClient, media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    assert infer(client, as_json(GOOD), **headers).status_code == 200
    octets = {"content-type": "application/octet-stream"}
    assert infer(client, as_json(GOOD), **octets).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/csv"},
        {"content-type": MARKER},
        {"content-encoding": MARKER},
    ],
)
def test_another_type_or_encoding_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    error(infer(client, as_json(GOOD), **headers), 415)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'{"inputs": [], "inputs": []}',
        b'{"inputs": [{"name": "a", "name": "SESAME"}]}',
        b"[" * 10_000,
        b'{"inputs":' * 3_000,
        b'{"id": "\\ud800", "inputs": []}',
    ],
)
def test_what_is_not_json_is_refused(client: TestClient, content: bytes) -> None:
    error(infer(client, Message(content)), 400)


def test_a_body_that_is_too_long_is_refused(client: TestClient) -> None:
    message = Message(b" " * (MAX_BYTES + 1))
    assert error(infer(client, message), 413) == "the body is too long; allowed: 40000 bytes"


def test_without_a_model_the_reason_is_given() -> None:
    with TestClient(Application(orchard())) as early:
        answer = early.get("/v2/health/ready")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert answer.json()["error"].startswith("not ready: ")
        assert early.get("/v2/health/live").json() == {"live": True}
        for refused in (early.get("/v2/models/orchard"), infer(early, as_json(GOOD))):
            assert error(refused, 503).startswith("not ready: ")
            assert int(refused.headers["retry-after"]) > 0
        error(early.get("/v2/models/other"), 404)
