"""A server on files with a trained model, and rows with the predictions that it gives for them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from adapters.formats.manifest_file import read_manifest
from entrypoints.wiring.settings import Accelerators
from tests.integration.processes import START_SECONDS
from tests.integration.program import Place, place, serving
from tests.support.waiting import wait_until

ROW = {
    "longitude": -122.23,
    "latitude": 37.88,
    "housing_median_age": 41.0,
    "total_rooms": 880.0,
    "total_bedrooms": 129.0,
    "population": 322.0,
    "households": 126.0,
    "median_income": 8.3252,
    "ocean_proximity": "NEAR BAY",
}
ROWS: list[dict[str, Any]] = [
    ROW,
    {**ROW, "total_bedrooms": None, "ocean_proximity": "<1H OCEAN"},
    *({**ROW, "median_income": 0.5 + step / 7, "ocean_proximity": "INLAND"} for step in range(90)),
]


@dataclass(frozen=True)
class Asked:
    """A running server, and what it predicts for `rows` by its own API."""

    url: str
    rows: list[dict[str, Any]]
    predictions: list[float]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a champion."""
    made = place(tmp_path_factory.mktemp("protocols"), MODELPORT_DATA="sample:2000")
    made.good("train", "--param", "max_iter=50")
    return made


@pytest.fixture(scope="package", params=Accelerators)
def server(home: Place, request: pytest.FixtureRequest) -> Iterator[Asked]:
    """The server, ready, with the accelerators and without."""
    with serving(home.having(MODELPORT_ACCELERATORS=request.param)) as running:
        wait_until(lambda: _is_ready(running.url), START_SECONDS, running.said)
        yield Asked(running.url, ROWS, _predictions(running.url))


def exported(home: Place, folder: Path) -> Path:
    """Return the champion as an ordinary model of MLflow."""
    from adapters.filesystem.file_model_store import FileStore
    from adapters.mlflow.pyfunc_package import write_model
    from domain.model.reference import ModelRef

    store = FileStore(home / "artifacts" / "models")
    version = store.resolve(ModelRef.parse("housing@champion"))
    bundle = store.load(version)
    return write_model(
        folder, bundle, bundle.verified(version.bundle_id, read_manifest), "m-1", None
    )


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _predictions(url: str) -> list[float]:
    body = json.dumps({"data": ROWS}).encode()
    request = Request(f"{url}/predict", body, {"content-type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return [*json.load(answer)["predictions"]]
