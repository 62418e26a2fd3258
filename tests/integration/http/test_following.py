"""A server under load while its champion moves, breaks, and its registry goes away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from adapters.filesystem.file_model_store import FileStore
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.rest.http_model_store import HttpStore
from application.ports import ModelStore
from domain.model.reference import CHAMPION, ModelRef
from tests.integration.http.load import Load, asking
from tests.integration.http.wire import Wire, wire
from tests.integration.program import Place, Server, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

HOUSING = ModelRef("housing")
ALPHAS = (0.001, 1_000.0, 100_000.0, 10.0)
BROKEN = 4
ROWS = 20
SECONDS = 20.0


@dataclass(frozen=True)
class Known:
    """A place with four versions, and what each of them answers to some rows."""

    where: Place
    rows: list[dict[str, Any]]
    predictions: dict[str, list[float]]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    where = place(tmp_path_factory.mktemp("known"), MODELPORT_DATA="sample:400")
    for alpha in ALPHAS:
        where.good("train", "--estimator", "ridge", "--param", f"alpha={alpha}", "--no-promote")
    where.good("models", "promote", "housing/1")
    where.good("data", "sample", "--rows", str(ROWS), "--out", where / "rows.jsonl")
    rows = [json.loads(line) for line in (where / "rows.jsonl").read_text().splitlines()]
    for row in rows:
        del row["median_house_value"]
    predictions = {}
    for number in range(1, len(ALPHAS) + 1):
        asked = ("predict-one", "-", "--model", f"housing/{number}", "--json")
        answer = where.call(*asked, stdin=json.dumps(rows).encode()).document
        predictions[answer["model"]] = answer["predictions"]
    assert len({tuple(values) for values in predictions.values()}) == len(ALPHAS)
    return Known(where, rows, predictions)


class Registry(Protocol):
    """A registry with the versions, to be moved, tampered with, lost and found."""

    where: Place
    store: ModelStore

    def tamper(self, number: int) -> None: ...
    def lose(self) -> None: ...
    def find(self) -> None: ...


class FileRegistry:
    """The file store, which is lost when its folder is moved away."""

    def __init__(self, where: Place) -> None:
        self.where = where.having(MODELPORT_POLL_SECONDS="0.1")
        self._folder = where / "artifacts/models"
        self.store: ModelStore = FileStore(self._folder)

    def tamper(self, number: int) -> None:
        version = self.store.resolve(ModelRef("housing", None, number))
        model = self._folder / "bundles" / version.bundle_id / "model.onnx"
        model.write_bytes(model.read_bytes()[:-1] + b"?")

    def lose(self) -> None:
        self._folder.rename(self._folder.with_name("lost"))

    def find(self) -> None:
        self._folder.with_name("lost").rename(self._folder)


class MlflowRegistry:
    """A real MLflow server, read over HTTP by a wire that can be cut."""

    def __init__(self, where: Place, server: str, wire: Wire) -> None:
        self._server, self._wire = server, wire
        self.where = where.having(
            MODELPORT_MODEL_STORE="http",
            MLFLOW_TRACKING_URI=wire.url,
            MODELPORT_POLL_SECONDS="0.1",
        )
        self.store: ModelStore = HttpStore(server)

    def tamper(self, number: int) -> None:
        query = f"name=housing&version={number}"
        about = f"{self._server}/api/2.0/mlflow/model-versions/get-download-uri?{query}"
        with urlopen(about, timeout=SECONDS) as answer:
            folder = urlsplit(json.load(answer)["artifact_uri"]).path
        files = f"{self._server}/api/2.0/mlflow-artifacts/artifacts{folder}/data/bundle"
        with urlopen(f"{files}/model.onnx", timeout=SECONDS) as answer:
            changed = answer.read()[:-1] + b"?"
        with urlopen(
            Request(f"{files}/model.onnx", changed, method="PUT"), timeout=SECONDS
        ) as answer:
            assert answer.status == 200

    def lose(self) -> None:
        self._wire.cut()

    def find(self) -> None:
        self._wire.mend()


@pytest.fixture
def file_registry(known: Known, tmp_path: Path) -> Registry:
    return FileRegistry(known.where.copy(tmp_path))


@pytest.fixture
def mlflow_registry(known: Known, mlflow_server: str, tmp_path: Path) -> Iterator[Registry]:
    """An MLflow server with the same versions, and a place that has none of them in files."""
    source = FileStore(known.where / "artifacts/models")
    saving = MlflowStore(mlflow_server, tmp_path)
    for version in source.versions("housing"):
        saving.save("housing", source.load(version), version.created_at, version.details)
    saving.set_alias("housing", CHAMPION, 1, None)
    with wire(mlflow_server) as cuttable:
        yield MlflowRegistry(place(tmp_path), mlflow_server, cuttable)


@pytest.fixture(params=["file_registry", "mlflow_registry"])
def registry(request: pytest.FixtureRequest) -> Registry:
    found: Registry = request.getfixturevalue(request.param)
    return found


def health(server: Server) -> dict[str, Any]:
    """Return what `/health/ready` says, ready or not."""
    try:
        with urlopen(f"{server.url}/health/ready", timeout=SECONDS) as answer:
            return dict(json.load(answer))
    except HTTPError as error:
        with error:
            return dict(json.load(error))


def wait_for(server: Server, **expected: Any) -> dict[str, Any]:
    """Wait until `/health/ready` says this, and return all that it says."""
    said = health(server)

    def as_expected() -> bool:
        nonlocal said
        said = health(server)
        return expected.items() <= said.items()

    wait_until(as_expected, SECONDS, lambda: f"{said}\n{server.said()}")
    return said


def appoint(registry: Registry, number: int) -> None:
    store = registry.store
    store.set_alias("housing", CHAMPION, number, store.resolve(HOUSING).number)


def wait_for_answers(load: Load, more: int = 200) -> None:
    """Wait until as many more answers or a failure came."""
    before = len(load.answers)
    wait_until(
        lambda: len(load.answers) >= before + more or bool(load.failures),
        SECONDS,
        lambda: f"{len(load.answers) - before} answers",
    )


def assert_right(load: Load, known: Known) -> None:
    """Check that nothing failed and every answer is that of the version it names."""
    assert load.failures == []
    wrong = [a for a in load.answers if known.predictions[a[1]][a[0]] != a[2]]
    assert wrong == []


def test_under_load_every_answer_is_right_whatever_happens_to_the_registry(
    registry: Registry, known: Known
) -> None:
    with serving(registry.where) as server:
        wait_for(server, ready=True, model="housing/1", degraded=False)
        with asking(server.url, known.rows) as load:
            for number in (2, 3, 1, 3, 2):
                appoint(registry, number)
                wait_for(server, model=f"housing/{number}", degraded=False)
                wait_for_answers(load)
            registry.tamper(BROKEN)
            appoint(registry, BROKEN)
            broken = wait_for(server, model="housing/2", degraded=True)
            assert broken["problem"].startswith("housing/4: model.onnx was changed")
            assert broken["reloads"]["rejected"] == 1
            wait_for_answers(load)
            appoint(registry, 3)
            wait_for(server, model="housing/3", degraded=False, problem=None)
            registry.lose()
            lost = wait_for(server, ready=True, model="housing/3", degraded=True)
            assert lost["problem"]
            wait_for_answers(load)
        assert_right(load, known)
        assert load.models == {"housing/1", "housing/2", "housing/3"}
        assert server.stop() == 0

    with serving(registry.where, name="restarted") as server:
        restarted = wait_for(server, ready=True, model="housing/3", degraded=True)
        assert restarted["reloads"]["restored"] == 1
        with asking(server.url, known.rows) as load:
            wait_for_answers(load)
            registry.find()
            wait_for(server, model="housing/3", degraded=False, problem=None)
            appoint(registry, 1)
            wait_for(server, model="housing/1", degraded=False)
            wait_for_answers(load)
        assert_right(load, known)
        assert load.models == {"housing/1", "housing/3"}
        assert server.stop() == 0


def test_without_registry_and_cache_the_server_waits(mlflow_registry: Registry) -> None:
    mlflow_registry.lose()
    with serving(mlflow_registry.where) as server:
        said = wait_for(server, status=503)
        wait_until(lambda: "does not answer" in health(server)["detail"], SECONDS, server.said)
        assert said["title"] == "Unavailable"
        mlflow_registry.find()
        wait_for(server, ready=True, model="housing/1", degraded=False)
        assert server.stop() == 0
