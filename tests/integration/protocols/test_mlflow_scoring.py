"""MLflow's own client and payloads against a real server, and its own server beside ours."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import convert_input_example_to_serving_input
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from starlette.testclient import TestClient

from tests.integration.program import Place
from tests.integration.protocols.conftest import ROWS, Asked, exported

pytestmark = pytest.mark.slow

NAMES = [*ROWS[0]]
LISTS = [[*row.values()] for row in ROWS]
# MLflow compares the names of columns as objects.
FRAME = pd.DataFrame(ROWS).set_axis(pd.Index([*ROWS[0]], dtype=object), axis=1)
GOOD = {
    "split": {"dataframe_split": {"columns": NAMES, "data": LISTS}},
    "split, with an index and columns turned round and more": {
        "dataframe_split": {
            "index": [*range(len(ROWS))],
            "columns": ["median_house_value", *reversed(NAMES)],
            "data": [[1.5, *reversed(row)] for row in LISTS],
        }
    },
    "records": {"dataframe_records": ROWS},
    "records with more": {"dataframe_records": [{**row, "other": 1} for row in ROWS]},
    "instances": {"instances": ROWS},
    "inputs by column": {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
    "inputs by row": {"inputs": ROWS},
}
BAD: dict[str, Any] = {
    "a list": [],
    "nothing": {},
    "two forms": {"instances": ROWS, "inputs": ROWS},
    "records that are none": {"dataframe_records": {"a": 1}},
    "split without data": {"dataframe_split": {"columns": NAMES}},
    "split with more": {"dataframe_split": {"columns": NAMES, "data": LISTS, "more": 1}},
    "rows that are too short": {"dataframe_split": {"columns": NAMES, "data": [[1]]}},
    "a column that lacks": {"dataframe_split": {"columns": NAMES[1:], "data": [LISTS[0][1:]]}},
    "a value out of range": {"dataframe_records": [{**ROWS[0], "latitude": 97.0}]},
    "an unknown category": {"dataframe_records": [{**ROWS[0], "ocean_proximity": "SESAME"}]},
}


@pytest.fixture(scope="module")
def theirs(home: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """MLflow's own scoring server, with the same model."""
    path = exported(home, tmp_path_factory.mktemp("exported"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # it sets this for good
        with TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(path)))) as client:
            yield client


def ask(url: str, content: bytes, media_type: str = "application/json") -> tuple[int, Any]:
    request = Request(f"{url}/invocations", content, {"content-type": media_type})
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def client_of(server: Asked) -> Any:
    untyped: Any = ScoringServerClient
    parts = urlsplit(server.url)
    return untyped(parts.hostname, parts.port)


def test_the_client_finds_the_server_ready(server: Asked) -> None:
    client = client_of(server)
    client.wait_server_ready(timeout=20)
    assert client.get_version() == version("modelport")


@pytest.mark.parametrize("params", [None, {}, {"ignored": 1}])
def test_the_client_gets_the_predictions_of_the_native_api(server: Asked, params: Any) -> None:
    answer = client_of(server).invoke(FRAME, params=params)
    assert answer.get_predictions(predictions_format="ndarray").ravel().tolist() == (
        server.predictions
    )


@pytest.mark.parametrize(
    "example",
    [FRAME, FRAME.astype({"population": "float32", "total_rooms": int}), ROWS, ROWS[0]],
    ids=["frame", "frame of several types", "records", "one record"],
)
def test_a_payload_that_mlflow_makes_of_an_example_is_understood(
    server: Asked, example: Any
) -> None:
    content = convert_input_example_to_serving_input(example)
    assert content is not None
    status, document = ask(server.url, content.encode())
    expected = server.predictions if example is not ROWS[0] else server.predictions[:1]
    assert (status, document) == (200, {"predictions": expected})


@pytest.mark.parametrize("form", GOOD)
def test_each_form_is_answered_as_by_mlflow_s_own_server(
    server: Asked, theirs: TestClient, form: str
) -> None:
    content = json.dumps(GOOD[form])
    status, document = ask(server.url, content.encode())
    assert (status, document["predictions"]) == (200, server.predictions)
    own = theirs.post("/invocations", content=content, headers={"content-type": "application/json"})
    assert (own.status_code, own.json()) == (status, document), own.text


def test_a_frame_saved_as_csv_is_understood(server: Asked) -> None:
    for frame in (FRAME, FRAME.assign(median_house_value=1.5)[[*reversed(NAMES)]]):
        for index in (False, True):
            content = frame.to_csv(index=index).encode()
            status, document = ask(server.url, content, "text/csv")
            assert (status, document) == (200, {"predictions": server.predictions})


def test_lists_without_names_are_in_the_order_of_the_schema(server: Asked) -> None:
    for form in ("instances", "inputs"):
        status, document = ask(server.url, json.dumps({form: LISTS}).encode())
        assert (status, document) == (200, {"predictions": server.predictions})


@pytest.mark.parametrize("fault", BAD)
def test_what_mlflow_s_own_server_refuses_is_refused_with_its_status(
    server: Asked, theirs: TestClient, fault: str
) -> None:
    content = json.dumps(BAD[fault])
    status, document = ask(server.url, content.encode())
    own = theirs.post("/invocations", content=content, headers={"content-type": "application/json"})
    assert own.status_code == status == 400, own.text
    assert document.keys() == {"error_code", "message"}
    assert own.json().keys() >= document.keys()
    assert "SESAME" not in json.dumps(document)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/json; charset=latin-1", "text/csv; header=present"]
)
def test_a_type_that_mlflow_refuses_is_refused_with_its_status(
    server: Asked, theirs: TestClient, media_type: str
) -> None:
    status, document = ask(server.url, b"{}", media_type)
    own = theirs.post("/invocations", content=b"{}", headers={"content-type": media_type})
    assert own.status_code == status == 415
    assert document["error_code"] == "BAD_REQUEST"


def test_the_model_in_mlflow_gives_the_same_numbers(
    server: Asked, home: Place, tmp_path: Path
) -> None:
    model = mlflow.pyfunc.load_model(str(exported(home, tmp_path)))
    np.testing.assert_array_equal(model.predict(FRAME), server.predictions)
