"""Models and runs that tests make, and MLflow's own client to look at them with."""

from pathlib import Path
from typing import TYPE_CHECKING

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_connection import set_defaults
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.mlflow_tracker import MlflowTracker
from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.model.load_model import LoadModel
from application.promotion.compare_candidates import CompareCandidates
from application.promotion.set_champion import SetChampion
from application.training.train_model import TrainingReport, TrainModel
from domain.data.split import Split
from domain.model.manifest import CodeVersion
from domain.promotion.policy import PromotionPolicy
from domain.training.specification import Estimator, Parameter, TrainingSpec
from entrypoints.reports.model_card import render_reports
from tests.fakes.data import MemorySource
from tests.fakes.model import MemoryBundleCache
from tests.fakes.tracking import MemoryLedger
from tests.support.samples import CREATED, SCHEMA, sample_data, sample_table

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client_of(uri: str) -> "MlflowClient":
    """Return MLflow's own client for a tracking server and registry."""
    set_defaults()
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def train(
    uri: str, home: Path, seed: int = 0, estimator: Estimator = Estimator.RIDGE
) -> TrainingReport:
    """Train a model of the orchard, as the program would, and make it champion if it is better."""
    store = MlflowStore(uri, home)
    use_case = TrainModel(
        SklearnLearner(),
        OnnxRuntime(),
        MlflowTracker(uri, home),
        CompareCandidates(LoadModel(store, OnnxRuntime(), read_manifest), PromotionPolicy()),
        SetChampion(store, MemoryLedger(), MemoryBundleCache(), lambda: CREATED, "a test"),
        lambda: CREATED,
        CodeVersion(revision="0123abc", changed=False),
        render_reports,
    )
    given: dict[Estimator, dict[str, Parameter]] = {
        Estimator.RIDGE: {"alpha": 0.5},
        Estimator.HIST_GRADIENT_BOOSTING: {"max_iter": 20},
    }
    spec = TrainingSpec(estimator, given[estimator], Split(seed=seed))
    return use_case(MemorySource(sample_table(), sample_data()), SCHEMA, spec)
