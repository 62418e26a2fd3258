"""Models and runs that tests make, and MLflow's own client to look at them with."""

from pathlib import Path
from typing import TYPE_CHECKING

from adapters.memory import MemoryBundleCache, MemoryLedger, MemorySource
from adapters.mlflow.client import set_defaults
from adapters.mlflow.model_store import MlflowStore
from adapters.mlflow.tracker import MlflowTracker
from adapters.onnx.runtime import OnnxRuntime
from adapters.sklearn.learner import SklearnLearner
from application.appointing import Appoint
from application.judging import Judge
from application.loading import LoadModel
from application.train_model import TrainingReport, TrainModel
from domain.dataset import Split
from domain.gate import PromotionPolicy
from domain.training import Estimator, TrainingSpec
from tests.integration.contracts.samples import CREATED, SCHEMA, sample_data, sample_table

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client_of(uri: str) -> "MlflowClient":
    """Return MLflow's own client for a tracking server and registry."""
    set_defaults()
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def train(uri: str, home: Path, seed: int = 0) -> TrainingReport:
    """Train a model of the orchard, as the program would, and make it champion if it is better."""
    store = MlflowStore(uri, home)
    use_case = TrainModel(
        SklearnLearner(),
        OnnxRuntime(),
        MlflowTracker(uri, home),
        Judge(LoadModel(store, OnnxRuntime()), PromotionPolicy()),
        Appoint(store, MemoryLedger(), MemoryBundleCache(), lambda: CREATED, "a test"),
        lambda: CREATED,
        {"revision": "0123abc", "changed": False},
    )
    spec = TrainingSpec(Estimator.RIDGE, {"alpha": 0.5}, Split(seed=seed))
    return use_case(MemorySource(sample_table(), sample_data()), SCHEMA, spec)
