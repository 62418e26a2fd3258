"""`mlflow models serve` of a registered version: the signature lets it read CSV and JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pandas as pd
import pytest

from tests.integration.mlflow.reading import client_of, train
from tests.integration.processes import START_SECONDS, end_group, free_port
from tests.support.samples import NAME, SCHEMA
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ROWS: list[dict[str, object]] = [
    {"height": 4, "age": 9, "sort": "pear", "watered": True},
    {"height": 2.5, "age": None, "sort": "apple", "watered": False},
]
CSV = "height,age,sort,watered\n4,9,pear,True\n2.5,,apple,False\n"


@pytest.fixture(scope="module")
def model(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a registered version."""
    home = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{copy(mlflow_tables, home / 'mlflow.db')}"
    train(uri, home)
    source = client_of(uri).get_model_version(NAME, "1").source
    assert source is not None
    return Path(source.removeprefix("file://"))


@pytest.fixture(scope="module")
def expected(model: Path) -> list[float]:
    """The predictions for `ROWS` in this process."""
    from mlflow.pyfunc import load_model

    frame = pd.DataFrame(ROWS).astype({"age": "float64", "height": "float64"})
    return list(load_model(str(model)).predict(frame))


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mlflow models serve`."""
    port = free_port()
    programs = Path(sys.executable).parent
    command = [str(programs / "mlflow"), "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", str(model), "--port", str(port)]
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = tmp_path_factory.mktemp("log") / "serve.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(
            lambda: _answers(f"{url}/ping"),
            2 * START_SECONDS,
            lambda: f"mlflow models serve answers:\n{log.read_text()}",
        )
        yield url
    finally:
        end_group(server)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(url: str, content_type: str, body: str) -> tuple[int, Any]:
    request = Request(f"{url}/invocations", body.encode(), {"Content-Type": content_type})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": [*ROWS[0]], "data": [[*row.values()] for row in ROWS]}},
        {"dataframe_records": ROWS},
        {"inputs": {name: [row[name] for row in ROWS] for name in ROWS[0]}},
    ],
    ids=["dataframe_split", "dataframe_records", "inputs"],
)
def test_json_with_whole_numbers_and_null(
    served: str, expected: list[float], body: Mapping[str, Any]
) -> None:
    assert ask(served, "application/json", json.dumps(body)) == (200, {"predictions": expected})


def test_csv_with_whole_numbers_and_an_empty_cell(served: str, expected: list[float]) -> None:
    assert ask(served, "text/csv", CSV) == (200, {"predictions": expected})


def test_a_value_of_another_type_is_refused(served: str) -> None:
    status, answer = ask(served, "text/csv", CSV.replace("2.5", "tall"))
    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")


def test_the_signature_has_the_type_of_every_column(model: Path) -> None:
    from mlflow.models import Model

    signature = Model.load(str(model)).signature
    assert signature is not None
    assert signature.outputs is not None
    assert [(c["name"], c["type"], c["required"]) for c in signature.inputs.to_dict()] == [
        ("height", "double", True),
        ("age", "double", False),
        ("sort", "string", True),
        ("watered", "boolean", True),
    ]
    assert [f.name for f in SCHEMA.features] == signature.inputs.input_names()
    assert [c["type"] for c in signature.outputs.to_dict()] == ["double"]
