"""One row on every path, in every variant: always the same prediction."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.integration.cli.files import read_rows
from tests.integration.processes import START_SECONDS
from tests.integration.program import Place, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

VARIANTS = ("api-baseline", "main")


@dataclass(frozen=True)
class Journey:
    """Predictions of a variant for all rows of the sample."""

    where: Place
    trained: dict[str, Any]
    evaluated: dict[str, Any]
    batch: list[float]
    alone: list[float]
    online: list[float]


@pytest.fixture(scope="module")
def journeys(
    sample_csv: Path, mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Journey]:
    made = {}
    for variant in VARIANTS:
        where = place(tmp_path_factory.mktemp(variant), variant, MODELPORT_DATA=str(sample_csv))
        if variant == "main":
            (where / "artifacts").mkdir()
            shutil.copy(mlflow_tables, where / "artifacts/mlflow.db")
        made[variant] = travel(where, sample_csv)
    return made


def travel(where: Place, data: Path) -> Journey:
    trained = where.good("train", "--estimator", "ridge", "--json")
    evaluated = where.good("evaluate", "--json")
    where.good("predict", data, "out.parquet", "--json")
    rows = [
        {name: None if value == "" else value for name, value in row.items()}
        for row in read_rows(data)
    ]
    for row in rows:
        del row["median_house_value"]
    alone = where.run("predict-one", "-", "--json", stdin=json.dumps(rows).encode())
    assert alone.code == 0, alone
    return Journey(
        where,
        trained.document,
        evaluated.document,
        [row["prediction"] for row in read_rows(where / "out.parquet")],
        alone.document["predictions"],
        online(where, rows),
    )


def online(where: Place, rows: list[dict[str, Any]]) -> list[float]:
    with serving(where) as server:
        body = json.dumps({"data": rows}).encode()
        headers = {"Content-Type": "application/json"}
        wait_until(lambda: "ready: housing/1" in server.said(), START_SECONDS, server.said)
        with urlopen(Request(f"{server.url}/predict", body, headers), timeout=30) as answer:
            document = json.load(answer)
    assert document["model"] == "housing/1"
    return list(document["predictions"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_row_has_the_same_prediction_on_every_path(
    journeys: dict[str, Journey], variant: str
) -> None:
    journey = journeys[variant]
    assert len(journey.batch) == 400
    assert journey.alone == journey.batch
    assert journey.online == journey.batch


def test_the_variants_make_the_same_model(journeys: dict[str, Journey]) -> None:
    baseline, main = (journeys[variant] for variant in VARIANTS)
    assert main.batch == baseline.batch
    assert main.trained["bundle"] == baseline.trained["bundle"]
    assert main.trained["metrics"] == baseline.trained["metrics"]
    assert main.evaluated["metrics"] == baseline.evaluated["metrics"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_state_is_in_the_home_folder(journeys: dict[str, Journey], variant: str) -> None:
    journey = journeys[variant]
    found = {path.name for path in journey.where.folder.iterdir()}
    assert found == {
        "artifacts",
        "out.parquet",
        ".out.parquet.receipt.json",
        "server.log",
        "server.out",
    }
    kept = {path.name for path in (journey.where / "artifacts").iterdir()}
    kept -= {".ledger.lock"}
    if variant == "main":
        assert {"ledger.jsonl", "mlflow.db", "mlartifacts"} <= kept
    else:
        assert kept == {"cache", "ledger.jsonl", "models", "runs"}


def test_the_home_folder_may_be_elsewhere(
    sample_csv: Path, mlflow_tables: Path, tmp_path: Path
) -> None:
    (tmp_path / "cwd").mkdir()
    (tmp_path / "home").mkdir()
    shutil.copy(mlflow_tables, tmp_path / "home/mlflow.db")
    where = place(
        tmp_path / "cwd",
        "main",
        MODELPORT_DATA=str(sample_csv),
        MODELPORT_HOME=str(tmp_path / "home"),
    )
    where.good("train", "--estimator", "dummy", "--json")
    assert [*where.folder.iterdir()] == []
    assert [label for label, _ in where.registered()] == ["housing/1"]
