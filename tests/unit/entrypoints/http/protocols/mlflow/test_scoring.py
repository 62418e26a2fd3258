"""MLflow's scoring contract, message by message."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrypoints.http.app import Application
from tests.support.orchard import orchard
from tests.support.samples import SCHEMA
from tests.unit.entrypoints.http.protocols.conftest import MAX_BYTES, MAX_ROWS
from tests.unit.entrypoints.http.protocols.wire import as_csv, mlflow_forms

MARKER = "SESAME"
ROWS = [SCHEMA.example, {**SCHEMA.example, "age": None, "sort": "plüm"}]
NAMES = [*SCHEMA.names]
CSV = {"content-type": "text/csv"}


def score(client: TestClient, body: Any) -> Any:
    return client.post(
        "/invocations", content=json.dumps(body), headers={"content-type": "application/json"}
    )


def score_csv(client: TestClient, content: bytes, **headers: str) -> Any:
    return client.post("/invocations", content=content, headers={**CSV, **headers})


def native(client: TestClient, rows: list[dict[str, Any]]) -> list[float]:
    return [*client.post("/predict", json={"data": rows}).json()["predictions"]]


def message(answer: Any, status: int, code: str = "BAD_REQUEST") -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert MARKER not in answer.text
    document = answer.json()
    assert [*document] == ["error_code", "message"]
    assert document["error_code"] == code
    return str(document["message"])


# --- what works


def test_ping_and_version(client: TestClient) -> None:
    assert (client.get("/ping").status_code, client.get("/ping").text) == (200, "\n")
    assert client.get("/version").text == client.get("/v2").json()["version"]


@pytest.mark.parametrize("body", mlflow_forms(SCHEMA, ROWS))
def test_each_form_is_answered_as_by_the_native_api(client: TestClient, body: Any) -> None:
    answer = score(client, body)
    assert answer.json() == {"predictions": native(client, ROWS)}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["modelport-model"] == "orchard/1"


@pytest.mark.parametrize(
    "content",
    [
        as_csv(NAMES, ROWS),
        as_csv([*reversed(NAMES)], ROWS),
        as_csv(["", *NAMES, "yield"], [{**row, "": 0, "yield": 7.5} for row in ROWS]),
        as_csv(NAMES, ROWS).replace(b"\r\n", b"\n").rstrip(),
        as_csv(NAMES, ROWS).replace(b"\r\n", b"\r\n\r\n"),
        'age,watered,height,sort\n" 9 ",TRUE,+4.50,"pear"\n,1,450e-2,plüm\n'.encode(),
    ],
)
def test_csv_is_answered_as_by_the_native_api(client: TestClient, content: bytes) -> None:
    assert score_csv(client, content).json() == {"predictions": native(client, ROWS)}


@pytest.mark.parametrize("parameter", ["", ";", "; charset=utf-8", ';charset="UTF-8"'])
def test_the_charset_may_be_named(client: TestClient, parameter: str) -> None:
    headers = {"content-type": f"text/CSV{parameter}"}
    assert score_csv(client, as_csv(NAMES, ROWS), **headers).status_code == 200


def test_as_many_rows_as_allowed(client: TestClient) -> None:
    rows = [{**SCHEMA.example, "height": 0.5 + row / 20} for row in range(MAX_ROWS)]
    expected = {"predictions": native(client, rows)}
    assert score(client, {"dataframe_records": rows}).json() == expected
    assert score_csv(client, as_csv(NAMES, rows)).json() == expected
    rows.append(rows[0])
    for body in mlflow_forms(SCHEMA, rows):
        assert message(score(client, body), 413) == "201 rows in one request; allowed: 200"
    assert message(score_csv(client, as_csv(NAMES, rows)), 413).startswith("201 rows")


# --- what does not


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "the body: is not an object; allowed: an object with one of dataframe_split"),
        ({}, "the body has 0 of the fields that hold rows"),
        ({"instances": ROWS, "inputs": ROWS}, "the body has 2 of the fields that hold rows"),
        ({"instances": ROWS, MARKER: 1}, "the body: has an unknown field"),
        ({"instances": ROWS, "params": [1]}, "params: is not an object"),
        ({"dataframe_records": {}}, "dataframe_records: is not a list"),
        ({"dataframe_records": []}, "there are no rows"),
        ({"dataframe_records": [1]}, "dataframe_records: allowed: items that are all objects"),
        ({"dataframe_records": [[1]]}, "dataframe_records: allowed: items that are all objects"),
        ({"instances": [ROWS[0], [1]]}, "instances: allowed: items that are all objects, or all"),
        ({"instances": MARKER}, "instances: is not a list"),
        ({"instances": [[1, 2, 3]]}, "instances[0]: is not a list of 4 values"),
        ({"inputs": {}}, "'height', 'sort', 'watered' missing; needed: height, age (may be left"),
        ({"inputs": {**ROWS[0], "height": [1]}}, "inputs, 'age': is not a list of 1 values"),
        ({"inputs": {n: [1, 2] if n == "age" else [1] for n in NAMES}}, "inputs, 'age': is not"),
        ({"dataframe_split": []}, "dataframe_split: is not an object"),
        ({"dataframe_split": {"columns": NAMES}}, "dataframe_split: has no data"),
        ({"dataframe_split": {"data": [], MARKER: 1}}, "dataframe_split: has an unknown field"),
        ({"dataframe_split": {"data": 1}}, "dataframe_split.data: is not a list"),
        ({"dataframe_split": {"data": []}}, "there are no rows"),
        ({"dataframe_split": {"data": [1], "columns": 1}}, "dataframe_split.columns: is not a"),
        (
            {"dataframe_split": {"data": [[1] * 5], "columns": [*NAMES, "age"]}},
            "dataframe_split.columns names a column twice",
        ),
        (
            {"dataframe_split": {"data": [[1]], "columns": [MARKER]}},
            "'height', 'sort', 'watered' missing",
        ),
        (
            {"dataframe_split": {"data": [[1] * 4, [1]], "columns": NAMES}},
            "dataframe_split.data[1]: is not a list of 4 values",
        ),
    ],
)
def test_an_invalid_body_is_explained(client: TestClient, body: Any, text: str) -> None:
    assert message(score(client, body), 400).startswith(text)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("height", MARKER, "row 1, height: is not a number; allowed: a number from 0.5 to 12 (m)"),
        ("height", 13, "row 1, height: is out of range"),
        ("height", None, "row 1, height: is missing"),
        ("height", float("inf"), "row 1, height: is not a finite number"),
        ("height", 10**400, "row 1, height: is not a finite number"),
        ("height", True, "row 1, height: is not a number"),
        ("height", [1], "row 1, height: is not a number"),
        ("age", 1.5, "row 1, age: is not a whole number"),
        ("sort", MARKER, "row 1, sort: is not a known category; allowed: one of 'apple'"),
        ("sort", 1, "row 1, sort: is not text"),
        ("watered", 1, "row 1, watered: is not true or false"),
        ("watered", {MARKER: 1}, "row 1, watered: is not true or false"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(
    client: TestClient, name: str, value: Any, text: str
) -> None:
    for body in mlflow_forms(SCHEMA, [ROWS[0], {**ROWS[1], name: value}]):
        assert text in message(score(client, body), 400)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the body is empty"),
        (b"\r\n\n", "the body is empty"),
        (b"height,sort,watered\n", "there are no rows"),
        (b"height,sort\n1,pear\n", "'watered' missing; needed"),
        (b"SESAME\n1\n", "'height', 'sort', 'watered' missing"),
        (b"height,height,sort,watered\n1,1,pear,1\n", "the header names a column twice"),
        (b"height,sort,watered\n1,pear\n", "the body, line 2: 2 cells where the header has 3"),
        (b"height,sort,watered\n1,pear,1,SESAME\n", "the body, line 2: 4 cells where the header"),
        (b'height,sort,watered\n1,"pe"SESAME,1\n', "the body, line 2: is not CSV"),
        (b'height,sort,watered\n1,"SESAME', "the body, line 2: is not CSV"),
        (b"height,sort,watered\n1,p\xff,1\n", "the body is not UTF-8: at byte 23"),
        (b"height,sort,watered\nNaN,pear,1\n", "1 field breaks the schema:\n  row 0, height: is"),
        (b"height,sort,watered\n1_0,pear,1\n", "1 field breaks the schema:\n  row 0, height: is"),
        (b"height,sort,watered\n1e400,pear,1\n", "1 field breaks the schema:\n  row 0, height: is"),
        (b"height,sort,watered\n,pear,1\n", "1 field breaks the schema:\n  row 0, height: is mis"),
        (b"height,sort,watered\n1,,1\n", "1 field breaks the schema:\n  row 0, sort: is missing"),
        (b"height,sort,watered\n1, pear,1\n", "1 field breaks the schema:\n  row 0, sort: is not"),
        (b"height,sort,watered\n1,pear,yes\n", "1 field breaks the schema:\n  row 0, watered: is"),
        (b"height,sort,watered\n1,pear, \n", "1 field breaks the schema:\n  row 0, watered: is"),
    ],
)
def test_invalid_csv_is_explained(client: TestClient, content: bytes, text: str) -> None:
    assert message(score_csv(client, content), 400).startswith(text)


def test_a_cell_that_does_not_end_is_refused(client: TestClient) -> None:
    content = b"height,sort,watered\n" + b"1" * 39_000 + b",pear,1\n"
    assert "row 0, height: is not a finite number" in message(score_csv(client, content), 400)


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", MARKER, "text/csv; charset=latin-1", "application/json; frobnicate=1"],
)
def test_another_content_type_is_refused(client: TestClient, media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    answer = client.post("/invocations", content=b"{}", headers=headers)
    assert message(answer, 415).startswith("the body is of another content type; allowed: appl")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"inputs": 1, "inputs": 2}', b"[" * 9000]
)
def test_what_is_not_json_is_refused(client: TestClient, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/invocations", content=content, headers=headers)
    assert message(answer, 400).startswith("the body ")


def test_a_body_that_is_too_long_is_refused(client: TestClient) -> None:
    answer = score_csv(client, b" " * (MAX_BYTES + 1))
    assert message(answer, 413) == "the body is too long; allowed: 40000 bytes"


def test_a_wrong_method_is_answered_in_the_form_of_the_contract(client: TestClient) -> None:
    assert message(client.get("/invocations"), 405) == "Method Not Allowed"
    assert message(client.post("/ping"), 405) == "Method Not Allowed"


def test_without_a_model_the_reason_is_given() -> None:
    with TestClient(Application(orchard())) as early:
        for answer in (early.get("/ping"), score(early, {"instances": ROWS})):
            assert message(answer, 503, "TEMPORARILY_UNAVAILABLE").startswith("not ready: ")
            assert int(answer.headers["retry-after"]) > 0
        assert early.get("/version").status_code == 200
