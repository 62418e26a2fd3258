"""The services of compose.yaml as processes: the API follows the champion of the MLflow server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

from tests.integration.processes import end_group, free_port
from tests.integration.program import Place, place, serving
from tests.support.waiting import wait_until

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
SECONDS = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


@pytest.fixture
def mlflow(services: Mapping[str, Any], mlflow_tables: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the MLflow server of compose.yaml, on SQLite instead of PostgreSQL."""
    port = free_port()
    database = copy(mlflow_tables, tmp_path / "mlflow.db")
    here = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{database}",
        "--artifacts-destination": str(tmp_path / "files"),
    }
    program, *words = services["mlflow"]["command"]
    options = [
        f"{name}={here.get(name, value)}" if sep else name
        for name, sep, value in (word.partition("=") for word in words)
    ]
    with (tmp_path / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", program, *options],
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status(f"{url}/health") == 200, SECONDS, lambda: f"{url} answers")
        yield url
    finally:
        end_group(process)


def api(services: Mapping[str, Any], folder: Path, mlflow: str) -> Place:
    """Return a place with the environment of the API, which reaches the server at `mlflow`."""
    variables = {
        name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value).replace("http://mlflow:5000", mlflow)
        for name, value in services["api"]["environment"].items()
    }
    folder.mkdir()
    return place(folder, variables.pop("MODELPORT_VARIANT"), **variables)


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


def served(url: str) -> str:
    with urlopen(f"{url}/model", timeout=10) as answer:
        return str(json.load(answer)["model"])


def test_a_promotion_on_the_mlflow_server_is_served_within_the_poll_interval(
    services: Mapping[str, Any], mlflow: str, tmp_path: Path
) -> None:
    trainer = tmp_path / "trainer"
    trainer.mkdir()
    here = place(trainer, "main", MLFLOW_TRACKING_URI=mlflow, MODELPORT_DATA="sample:400")
    with serving(api(services, tmp_path / "api", mlflow)) as server:
        assert status(f"{server.url}/health/ready") == 503
        assert here.good("train", "--estimator", "dummy", "--json").document["promoted"]
        wait_until(lambda: status(f"{server.url}/health/ready") == 200, SECONDS, server.said)
        assert served(server.url) == "housing/1"
        assert here.good("train", "--estimator", "ridge", "--json").document["promoted"]
        # The interval is 5 seconds; the rest is for a machine that is busy with other tests.
        wait_until(lambda: served(server.url) == "housing/2", SECONDS, server.said)
    assert not (tmp_path / "api" / "artifacts" / "models").exists()


def test_the_api_waits_for_the_mlflow_server_and_keeps_its_home_in_a_volume(
    services: Mapping[str, Any],
) -> None:
    assert services["api"]["depends_on"] == {"mlflow": {"condition": "service_healthy"}}
    assert services["api"]["volumes"] == ["modelport:/var/lib/modelport"]
    allowed = next(w for w in services["mlflow"]["command"] if w.startswith("--allowed-hosts="))
    assert services["api"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert "mlflow:5000" in allowed
