"""One function per adapter: it imports the adapter and builds it from the settings.

A program thus loads only the libraries that its configuration needs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from getpass import getuser
from os import getuid
from pathlib import Path

from application.model.serving_form import ScoreColumns, ServingFormRuntime
from application.ports import (
    BundleCache,
    Executor,
    Explainers,
    KeyStore,
    Learner,
    Ledger,
    ModelStore,
    ResultStore,
    Runtime,
    Searcher,
    Signer,
    Traces,
    Tracker,
    Verifier,
)
from domain.data.schema import Schema
from domain.errors import Misconfigured, NotSupported
from domain.features.neighbour_statistics import LocationStatistics, NeighbourStatistics
from domain.model.bundle import TREES
from domain.model.manifest import ReadManifest
from domain.model.reference import ModelRef
from domain.promotion.policy import PromotionPolicy
from domain.training.specification import TrainingSpec
from entrypoints.wiring.extras import is_installed, needs, require
from entrypoints.wiring.provenance import run_origin
from entrypoints.wiring.settings import Accelerators, Settings, TracesKind


def file_store(settings: Settings) -> ModelStore:
    """Model versions as files in the home folder."""
    from adapters.filesystem.file_model_store import FileStore

    return FileStore(settings.home / "models")


@needs("mlflow")
def mlflow_store(settings: Settings) -> ModelStore:
    """Model versions in MLflow's registry; accelerators read them without MLflow's client."""
    from adapters.mlflow.mlflow_connection import sqlite_file
    from adapters.mlflow.mlflow_model_store import MlflowStore

    store = MlflowStore(settings.mlflow_uri, settings.home)
    if settings.accelerators is Accelerators.NONE:
        require("mlflow")
        return store
    database = sqlite_file(settings.mlflow_uri)
    if database is not None:
        from adapters.mlflow.tables.sqlite_model_store import SqliteModelStore

        return SqliteModelStore(database, store)
    if not is_installed("httpx"):
        return store
    from adapters.mlflow.rest.rest_client import replaces_mlflow_client

    rest_is_enough = replaces_mlflow_client(settings.mlflow_uri)
    return _http_store(settings, store) if rest_is_enough else store


@needs("")
def http_store(settings: Settings) -> ModelStore:
    """Model versions in the registry of an MLflow server, read without the mlflow package."""
    return _http_store(settings, None)


def _http_store(settings: Settings, saver: ModelStore | None) -> ModelStore:
    from adapters.mlflow.rest.http_model_store import HttpStore

    return HttpStore(
        settings.mlflow_uri,
        settings.mlflow_tracking_token,
        lock_file=settings.home / "mlflow.lock",
        saver=saver,
    )


def manifest_reader() -> ReadManifest:
    """Decoder of the manifest of a bundle."""
    from adapters.formats.manifest_file import read_manifest

    return read_manifest


def bundle_cache(settings: Settings) -> BundleCache:
    """Bundles that were served last, as files in the home folder."""
    from adapters.filesystem.file_bundle_cache import FileBundleCache

    return FileBundleCache(settings.home / "cache" / "bundles", settings.registry)


def key_store(settings: Settings) -> KeyStore | None:
    """API keys; None: no authentication."""
    from adapters.filesystem.file_key_store import FileKeyStore

    return None if settings.api_keys_file is None else FileKeyStore(settings.api_keys_file)


def ledger(settings: Settings) -> Ledger:
    """Promotion decisions as JSON lines in the home folder."""
    from adapters.filesystem.file_ledger import FileLedger

    return FileLedger(settings.home / "ledger.jsonl")


@needs("sign")
def signer(settings: Settings) -> Signer | None:
    """The key that signs registered versions; None: no signatures."""
    if settings.signing_key is None:
        return None
    from adapters.ed25519.signing_keys import FileSigner

    return FileSigner(settings.signing_key)


@needs("sign")
def verifier(settings: Settings) -> Verifier | None:
    """The trusted keys; None: signatures are not verified."""
    if settings.trusted_keys is None:
        return None
    from adapters.ed25519.signing_keys import FileVerifier

    return FileVerifier(settings.trusted_keys)


@needs("sign")
def create_signing_key(private: Path, public: Path) -> str:
    """Write a new pair of keys; return its id."""
    from adapters.ed25519.signing_keys import create_key

    return create_key(private, public)


@needs("otel")
def traces(settings: Settings) -> Traces | None:
    """The exporter of spans; None: no spans."""
    if settings.traces is TracesKind.NONE:
        return None
    from adapters.otel.otel_traces import OtelTraces

    return OtelTraces()


def file_tracker(settings: Settings) -> Tracker:
    """Runs as JSON lines in the home folder."""
    from adapters.filesystem.file_tracker import FileTracker

    return FileTracker(settings.home / "runs", run_origin(actor(settings)))


@needs("mlflow")
def mlflow_tracker(settings: Settings) -> Tracker:
    """Runs in MLflow's tracking server or database."""
    from adapters.mlflow.mlflow_tracker import MlflowTracker

    require("mlflow")
    return MlflowTracker(settings.mlflow_uri, settings.home, run_origin(actor(settings)))


@needs("sql")
def sql_tracker(settings: Settings) -> Tracker:
    """Runs in tables of any database."""
    from adapters.sql.sql_tracker import SqlTracker

    return SqlTracker(settings.runs_url, run_origin(actor(settings)))


def no_tracker() -> Tracker:
    """Runs are not recorded."""
    from adapters.no_tracker import NoTracker

    return NoTracker()


@needs("train")
def learner() -> Learner:
    """Estimators of scikit-learn."""
    from adapters.sklearn.sklearn_learner import SklearnLearner

    return SklearnLearner()


def runtime() -> Runtime:
    """Tree ensembles in compiled code if llvmlite is installed; other models in ONNX Runtime."""
    return ServingFormRuntime(_open_serving_form, _location_statistics)


@needs("")
def graph_runtime() -> Runtime:
    """Models in ONNX Runtime."""
    from adapters.onnx.onnx_runtime import OnnxRuntime

    return OnnxRuntime()


@needs("")
def _open_serving_form(files: Mapping[str, bytes], width: int) -> ScoreColumns:
    """Open the serving form of a model; imports only the library that it needs."""
    if TREES in files and is_installed("llvmlite"):
        from adapters.llvm.tree_runtime import open_trees

        return open_trees(files, width)
    from adapters.onnx.onnx_runtime import open_graph

    return open_graph(files, width)


def _location_statistics(statistics: NeighbourStatistics) -> LocationStatistics:
    """Neighbour statistics in compiled code if llvmlite is installed."""
    if not is_installed("llvmlite"):
        return statistics.compute
    from adapters.llvm.neighbour_runtime import compile_statistics

    return compile_statistics(statistics)


def local_executor(may_abandon: bool = False) -> Executor:
    """Chunks, or fits that an interrupt may abandon, on threads of this process."""
    from adapters.local.executors import ThreadExecutor

    return ThreadExecutor(may_abandon)


@needs("ray")
def ray_executor(settings: Settings) -> Executor:
    """Chunks on the machines of a Ray cluster."""
    from adapters.ray.ray_executor import RayExecutor

    return RayExecutor(settings.ray_address)


def processes() -> Executor:
    """Fits in processes of this machine."""
    from adapters.local.executors import ProcessExecutor

    return ProcessExecutor()


@needs("experiments")
def searcher() -> Searcher:
    """Hyper-parameter search by Optuna."""
    from adapters.optuna.optuna_searcher import OptunaSearcher

    return OptunaSearcher()


def results(settings: Settings) -> ResultStore:
    """Results of experiments as files in the home folder."""
    from adapters.filesystem.file_result_store import FileResults

    return FileResults(settings.home / "experiments")


def fitting_code(learner: Learner, runtime: Runtime) -> str:
    """Return a digest of the code that searches, fits and predicts."""
    from entrypoints.wiring.provenance import code_digest

    return code_digest(
        type(learner).__module__,
        type(runtime).__module__,
        "adapters.optuna.optuna_searcher",
        "application.experiments.examine_model",
        "application.experiments.nested_search",
    )


def specification(settings: Settings) -> TrainingSpec:
    """The specification next to the schema file; without such a file, the default."""
    from adapters.formats.specification_toml import read_specification, specification_path

    return read_specification(specification_path(settings.schema_file)) or TrainingSpec()


def save_specification(settings: Settings, spec: TrainingSpec) -> Path:
    """Write the specification next to the schema file; return its path."""
    from adapters.formats.specification_toml import specification_path, write_specification

    path = specification_path(settings.schema_file)
    write_specification(path, spec)
    return path


@needs("train,explain", NotSupported)
def explainers() -> Explainers:
    """Explainers of models of scikit-learn."""
    from adapters.sklearn.sklearn_explainers import SklearnExplainers

    require("shap")
    return SklearnExplainers()


@needs("train,explain", NotSupported)
def served_explainers() -> Explainers:
    """Explainers of models of scikit-learn in a child process, for a server."""
    from adapters.local.explaining_process import ProcessExplainers

    require("sklearn")
    require("shap")
    return ProcessExplainers(explainers)


def schema(settings: Settings) -> Schema:
    """The schema of the table to train on."""
    from adapters.formats.schema_toml import read_schema

    return read_schema(settings.schema_file)


def model_ref(settings: Settings) -> ModelRef:
    """The model reference that `serve` and `predict` use: the configured one, else the schema's."""
    if settings.model is not None:
        return ModelRef.parse(settings.model)
    if not settings.schema_file.exists():
        raise Misconfigured(
            f"no model is named, and the schema file {settings.schema_file} does not exist; "
            f"set MODELPORT_MODEL or MODELPORT_SCHEMA, or give --model or --schema"
        )
    return ModelRef(schema(settings).name)


def promotion_policy(settings: Settings) -> PromotionPolicy:
    """The rules of promotion."""
    return PromotionPolicy(
        margin=settings.gate_margin,
        confidence=settings.gate_confidence,
        segment_margin=settings.gate_segment_margin,
        segment_rows=settings.gate_segment_rows,
        latency_ms=settings.latency_budget_ms,
    )


def actor(settings: Settings) -> str:
    """Return the name for the ledger."""
    if settings.actor:
        return settings.actor
    try:
        return getuser()
    except (OSError, KeyError):  # in a container the user may have no name
        return f"user {getuid()}"


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
