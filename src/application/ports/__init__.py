"""The ports: protocols that the use cases need, and that adapters implement.

Adapters raise the errors of `domain.errors` only.
"""

from application.ports.data import DataSource, FinishedJob, PredictionSink, PublishedOutput
from application.ports.execution import Executor, Item, Result
from application.ports.model import (
    BundleCache,
    EncodingPredictor,
    Explainer,
    Explainers,
    ModelStore,
    Predictor,
    Runtime,
)
from application.ports.monitoring import Attributes, Traces
from application.ports.security import KeyStore, Signer, Verifier
from application.ports.tracking import (
    Ledger,
    ResultStore,
    Run,
    RunOrigin,
    Tracker,
    add_params,
    end_of,
)
from application.ports.training import Learner, Searcher, TrainedModel

__all__ = [
    "Attributes",
    "BundleCache",
    "DataSource",
    "EncodingPredictor",
    "Executor",
    "Explainer",
    "Explainers",
    "FinishedJob",
    "Item",
    "KeyStore",
    "Learner",
    "Ledger",
    "ModelStore",
    "PredictionSink",
    "Predictor",
    "PublishedOutput",
    "Result",
    "ResultStore",
    "Run",
    "RunOrigin",
    "Runtime",
    "Searcher",
    "Signer",
    "Traces",
    "Tracker",
    "TrainedModel",
    "Verifier",
    "add_params",
    "end_of",
]
