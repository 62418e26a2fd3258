"""Explain the predictions of a few rows by the contributions of the features."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from application.model.load_model import LoadedModel
from application.ports import BundleCache, EncodingPredictor, Explainer, Explainers, ModelStore
from application.scoring.predict_one import Predictions, PredictOne, with_options
from domain.data.schema import Matrix
from domain.errors import ModelportError, NotSupported
from domain.model.bundle import Bundle
from domain.model.manifest import ReadManifest
from domain.model.reference import ModelVersion
from domain.scoring.explanation import FeatureContributions
from domain.scoring.prediction import PLAIN, PredictionOptions

# Rows that are explained between two checks whether to go on: less than 0.1 s of work.
_ROWS_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Explanations:
    """Predictions, and the contribution of each feature of `names` for each row."""

    predictions: Predictions
    names: tuple[str, ...]
    explained: FeatureContributions

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON values; each explanation has its prediction."""
        mapping = self.predictions.to_mapping()
        del mapping["predictions"]
        return {"explanations": self.to_mappings(), **mapping}

    def to_mappings(self) -> list[dict[str, Any]]:
        """Return base, contributions by feature and prediction of each row."""
        rows = zip(self.explained.contributions.tolist(), self.predictions.values, strict=True)
        return [
            {
                "base": self.explained.base,
                "contributions": dict(zip(self.names, row, strict=True)),
                "prediction": prediction,
            }
            for row, prediction in rows
        ]


@dataclass
class LoadExplainer:
    """Loads the explainer of a model and keeps the last one.

    `explainers` is called on first use: its libraries are large, and may not be installed.
    """

    store: ModelStore
    cache: BundleCache
    explainers: Callable[[], Explainers]
    read_manifest: ReadManifest
    _last: tuple[str, Explainer] | None = field(default=None, init=False)
    _loading: Lock = field(default_factory=Lock, init=False)

    def __call__(self, model: LoadedModel) -> Explainer:
        """Return the explainer of a loaded model.

        Raises:
            NotSupported: the libraries are not installed, or the kind of model has no explainer.
            ArtefactRejected: the bundle failed a check.
        """
        version = model.version
        with self._loading:
            if self._last is None or self._last[0] != version.bundle_id:
                explainers, bundle = self.explainers(), self._bundle(version)
                bundle.verified(version.bundle_id, self.read_manifest)
                explainer = explainers.load(encoding_predictor(model).encoding, bundle.files)
                self._last = version.bundle_id, explainer
            return self._last[1]

    def _bundle(self, version: ModelVersion) -> Bundle:
        with suppress(ModelportError):
            if (kept := self.cache.get(version.bundle_id)) is not None:
                return kept
        return self.store.load(version)


@dataclass(frozen=True)
class ExplainRows:
    """Validates and predicts as `PredictOne` does, and explains the predictions."""

    model: Callable[[], LoadedModel]
    load: LoadExplainer
    max_rows: int

    def __call__(
        self,
        records: Sequence[object],
        options: PredictionOptions = PLAIN,
        require_wanted: Callable[[], None] = lambda: None,
    ) -> Explanations:
        """Return one explanation per record, all of one version; rows are encoded once.

        `require_wanted` is called every few rows; an error of it ends the work.

        Raises:
            InvalidRows, InvalidData, TooLarge: as `PredictOne`.
            NotSupported: this installation, or this model, has no explanations.
            ArtefactRejected: contributions do not add up to the prediction.
        """
        PredictOne(self.model, self.max_rows).admit(len(records))
        model = self.model()
        model.require(options)
        schema = model.manifest.schema
        matrix, predictor = schema.encode_records(records), encoding_predictor(model)
        columns = predictor.encode(matrix)
        plain = Predictions(predictor.score(columns), model.version.label)
        predictions = with_options(model, matrix, plain, options)
        explained = _explain(self.load(model), columns, require_wanted)
        explained.require_sum(predictions.vector, schema.target)
        return Explanations(predictions, schema.names, explained)


def _explain(
    explainer: Explainer, columns: Matrix, require_wanted: Callable[[], None]
) -> FeatureContributions:
    parts: list[FeatureContributions] = []
    for start in range(0, len(columns), _ROWS_AT_ONCE):
        require_wanted()
        parts.append(explainer.explain(columns[start : start + _ROWS_AT_ONCE]))
    return FeatureContributions(
        parts[0].base, np.concatenate([part.contributions for part in parts])
    )


def encoding_predictor(model: LoadedModel) -> EncodingPredictor:
    """Return the predictor of a model, with access to its encoding.

    Raises:
        NotSupported: the predictor has no encoding of its own.
    """
    if not isinstance(model.predictor, EncodingPredictor):
        raise NotSupported(f"{model.version.label} has no encoded columns to explain")
    return model.predictor
