"""Evaluate a registered model on data."""

from dataclasses import dataclass

from application.data.labelled_rows import read_labelled
from application.model.load_model import LoadModel
from application.ports import DataSource
from domain.data.dataset import DatasetVersion
from domain.evaluation.metrics import Metrics, measure
from domain.model.reference import ModelRef, ModelVersion


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Metrics on the hold-out of the model's training data, or on all rows of other data."""

    version: ModelVersion
    metrics: Metrics
    data: DatasetVersion
    holdout_only: bool


@dataclass(frozen=True)
class EvaluateModel:
    """Evaluates a model on rows that it was not fitted on."""

    load: LoadModel

    def __call__(self, source: DataSource, ref: ModelRef) -> EvaluationReport:
        """Return the metrics of the model on a source that has the target.

        Raises:
            InvalidData: the data cannot be used.
        """
        model = self.load(ref)
        rows = read_labelled(source, model.manifest.schema)
        data = source.version
        own = data.sha256 == model.manifest.data.sha256
        if own:
            rows = rows.divide(model.manifest.split).holdout
        metrics = measure(rows.target, model.predictor.predict(rows.matrix))
        return EvaluationReport(model.version, metrics, data, own)
