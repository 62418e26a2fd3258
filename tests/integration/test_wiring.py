"""Every adapter that the settings can select, built for real."""

import importlib.abc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dependency_injector import providers

from adapters.filesystem.file_model_store import FileStore
from adapters.filesystem.file_tracker import FileTracker
from adapters.local.executors import ThreadExecutor
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.mlflow_tracker import MlflowTracker
from adapters.mlflow.rest.http_model_store import HttpStore
from adapters.mlflow.tables.sqlite_model_store import SqliteModelStore
from adapters.no_tracker import NoTracker
from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.ray.ray_executor import RayExecutor
from adapters.sklearn.sklearn_learner import SklearnLearner
from adapters.sql.sql_tracker import SqlTracker
from domain.errors import Misconfigured, NotSupported
from domain.model.bundle import TREES
from domain.training.specification import Estimator
from entrypoints.wiring import builders
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.data_uris import open_sink, open_source
from entrypoints.wiring.extras import needs
from entrypoints.wiring.provenance import code_version
from entrypoints.wiring.settings import Settings, StoreKind, TrackerKind, Variant
from tests.integration.contracts.rows import labelled, pool
from tests.integration.program import SCHEMA_FILE
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA

TRACKERS: dict[TrackerKind, type] = {
    TrackerKind.FILE: FileTracker,
    TrackerKind.MLFLOW: MlflowTracker,
    TrackerKind.SQL: SqlTracker,
    TrackerKind.NONE: NoTracker,
}
STORES: dict[StoreKind, type] = {
    StoreKind.FILE: FileStore,
    StoreKind.MLFLOW: SqliteModelStore,
    StoreKind.HTTP: HttpStore,
}


def settings(home: Path, **given: Any) -> Settings:
    return Settings.model_validate({"home": home, "MODELPORT_SCHEMA": SCHEMA_FILE, **given})


@pytest.mark.parametrize(
    ("variant", "tracker", "store"),
    list(product(Variant, [None, *TrackerKind], [None, *StoreKind])),
)
def test_every_provider_resolves_in_every_configuration(
    tmp_path: Path, variant: Variant, tracker: TrackerKind | None, store: StoreKind | None
) -> None:
    given = settings(tmp_path, variant=variant, tracker=tracker, model_store=store)
    if given.store_kind is StoreKind.HTTP:
        given = given.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    wired = build_container(given)
    csv = tmp_path / "x.csv"
    csv.write_text("a\n1\n")
    arguments = {"source": (str(csv),), "sink": (str(tmp_path / "out.csv"),)}
    resolved = {
        name: provider(*arguments.get(name, ()))
        for name, provider in Container.providers.items()
        if not isinstance(provider, providers.Dependency)
        for provider in [getattr(wired, name)]
    }
    assert {"tracker", "store", "train_model", "predict_one", "serving"} <= {*resolved}
    assert type(resolved["tracker"]) is TRACKERS[given.tracker_kind]
    assert type(resolved["store"]) is STORES[given.store_kind]
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    ("uri", "given", "variables", "store"),
    [
        ("http://127.0.0.1:9", {}, {}, HttpStore),
        ("http://127.0.0.1:9", {"accelerators": "none"}, {}, MlflowStore),
        ("http://127.0.0.1:9", {}, {"MLFLOW_TRACKING_USERNAME": "ann"}, MlflowStore),
        ("https://127.0.0.1:9", {}, {"REQUESTS_CA_BUNDLE": "ca.pem"}, MlflowStore),
        ("postgresql+psycopg://127.0.0.1:9/mlflow", {}, {}, MlflowStore),
    ],
)
def test_mlflow_is_read_without_its_client_where_that_is_enough(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    given: dict[str, Any],
    variables: dict[str, str],
    store: type,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wired = build_container(settings(tmp_path, MLFLOW_TRACKING_URI=uri, **given))
    assert type(wired.store()) is store


def test_the_setting_selects_the_engine(tmp_path: Path) -> None:
    assert build_container(settings(tmp_path)).executor() == ThreadExecutor()
    given = settings(tmp_path, engine="ray", RAY_ADDRESS="10.0.0.7:6379")
    assert build_container(given).predict_batch().executor == RayExecutor("10.0.0.7:6379")


def test_an_adapter_is_built_once(tmp_path: Path) -> None:
    wired = build_container(settings(tmp_path, variant=Variant.API_BASELINE))
    assert wired.store() is wired.store()
    assert wired.load_model().store is wired.promote_model().load.store
    assert wired.set_champion().ledger is wired.promote_model().set_champion.ledger
    assert wired.serving() is wired.serving()
    assert build_container(wired.settings()).store() is not wired.store()


def test_building_a_container_builds_nothing(tmp_path: Path) -> None:
    build_container(settings(tmp_path / "absent", MODELPORT_SCHEMA=tmp_path / "absent.toml"))
    assert [*tmp_path.iterdir()] == []


def test_a_container_takes_settings_only() -> None:
    wired = Container(settings=object())
    with pytest.raises(Exception, match="is not an instance of"):
        wired.store()


class Missing(importlib.abc.MetaPathFinder):
    """Makes some libraries appear not installed."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@contextmanager
def without(*libraries: str) -> Iterator[None]:
    """Hide libraries and forget the imported adapters."""
    hidden: dict[str, ModuleType] = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in libraries or name.startswith("adapters.")
    }
    finder = Missing({*libraries})
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.startswith("adapters.")]:
            del sys.modules[name]
        sys.modules.update(hidden)


@pytest.mark.parametrize(
    ("library", "extra", "build"),
    [
        ("sklearn", "train", lambda s: builders.learner()),
        ("onnxruntime", "", lambda s: builders.graph_runtime()),
        ("sqlalchemy", "sql", builders.sql_tracker),
        ("mlflow", "mlflow", builders.mlflow_tracker),
        ("ray", "ray", builders.ray_executor),
        ("pyarrow", "train", lambda s: open_source(s, "x.csv")),
        ("pyarrow", "train", lambda s: open_sink(s, "x.csv")),
        ("sqlalchemy", "sql", lambda s: open_source(s, "sqlite:///x.db#t")),
        ("s3fs", "objects", lambda s: open_source(s, "s3://bucket/x.csv")),
        ("s3fs", "objects", lambda s: open_sink(s, "s3://bucket/x.csv")),
        ("sqlalchemy", "sql", lambda s: open_sink(s, "sqlite:///x.db#t")),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, library: str, extra: str, build: Any
) -> None:
    with without(library), pytest.raises(Misconfigured) as caught:
        build(settings(tmp_path))
    target = f"'.[{extra}]'" if extra else "."
    assert str(caught.value) == f"{library} is not installed; it comes with pip install {target}"


def test_onnx_runtime_is_imported_only_for_models_without_trees() -> None:
    boosted = SklearnLearner().fit(QUICK[Estimator.HIST_GRADIENT_BOOSTING], SCHEMA, *labelled())
    linear = SklearnLearner().fit(QUICK[Estimator.LINEAR], SCHEMA, *labelled())
    with without("onnxruntime"):
        answers = builders.runtime().load(SCHEMA, boosted.files).predict(pool())
        with pytest.raises(Misconfigured, match="onnxruntime is not installed"):
            builders.runtime().load(SCHEMA, linear.files)
    with without("llvmlite"):
        assert "adapters.llvm.tree_runtime" not in sys.modules
        same = builders.runtime().load(SCHEMA, boosted.files).predict(pool())
        assert "adapters.llvm.tree_runtime" not in sys.modules
    assert answers.tobytes() == same.tobytes()
    files = {name: content for name, content in boosted.files.items() if name != TREES}
    assert builders.runtime().load(SCHEMA, files).predict(pool()).tobytes() == same.tobytes()
    assert len(builders.runtime().load(SCHEMA, linear.files).predict(pool())) == len(pool())


def test_without_accelerators_the_ordinary_libraries_are_used(tmp_path: Path) -> None:
    wired = build_container(settings(tmp_path, accelerators="none"))
    assert isinstance(wired.runtime(), OnnxRuntime)
    assert wired.runtime() is wired.graph_runtime()
    assert isinstance(wired.store(), MlflowStore)


@pytest.mark.parametrize("library", ["sklearn", "skops", "shap"])
def test_missing_libraries_of_explanations_are_named_with_their_extras(library: str) -> None:
    with without(library), pytest.raises(NotSupported) as caught:
        builders.explainers()
    assert str(caught.value) == (
        f"{library} is not installed; it comes with pip install '.[train,explain]'"
    )


def test_a_missing_module_of_the_project_is_not_reported_as_a_missing_library() -> None:
    @needs("train")
    def build() -> None:
        raise ModuleNotFoundError("No module named 'adapters.oops'", name="adapters.oops")

    with pytest.raises(ModuleNotFoundError):
        build()


def test_the_code_version_is_the_git_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    unknown = code_version()
    assert (unknown.revision, unknown.changed) == ("unknown", None)
    monkeypatch.delenv("GIT_DIR")
    known = code_version()
    assert known.modelport == unknown.modelport
    assert len(known.revision) == 40
    assert known.changed in (True, False)


def test_without_git_the_revision_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_version().revision == "unknown"
