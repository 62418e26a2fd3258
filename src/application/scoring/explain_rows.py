"""Say what each feature adds to the prediction for a few rows."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from application.model.load_model import LoadedModel
from application.ports import BundleCache, Explainer, Explainers, ModelStore
from application.scoring.predict_one import Predictions, PredictOne
from domain.errors import ModelportError
from domain.model.bundle import Bundle
from domain.model.manifest import ReadManifest
from domain.model.reference import ModelVersion
from domain.scoring.explanation import FeatureContributions
from domain.scoring.prediction import PLAIN, PredictionOptions


@dataclass(frozen=True, slots=True)
class Explanations:
    """Predictions, and for each feature of `names` what it adds to the base, row by row."""

    predictions: Predictions
    names: tuple[str, ...]
    explained: FeatureContributions

    def to_mapping(self) -> dict[str, Any]:
        """Return the answer as JSON values; each explanation holds its prediction."""
        told = self.predictions.to_mapping()
        del told["predictions"]
        return {"explanations": self.to_mappings(), **told}

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
    """Gets the explainer of a model ready, and keeps the one that was asked for last.

    `explainers` is called at the first use: its libraries are heavy, and may be missing.
    """

    store: ModelStore
    cache: BundleCache
    explainers: Callable[[], Explainers]
    read_manifest: ReadManifest
    _last: tuple[str, Explainer] | None = field(default=None, init=False)
    _loading: Lock = field(default_factory=Lock, init=False)

    def __call__(self, model: LoadedModel) -> Explainer:
        """Return the explainer of a model in memory.

        Raises:
            NotSupported: the libraries are not installed, or models of this kind have none.
            ArtefactRejected: the bundle failed a check; says which.
        """
        version = model.version
        with self._loading:
            if self._last is None or self._last[0] != version.bundle_id:
                explainers, bundle = self.explainers(), self._bundle(version)
                bundle.verified(version.bundle_id, self.read_manifest)
                explainer = explainers.load(model.manifest.schema, bundle.files)
                self._last = version.bundle_id, explainer
            return self._last[1]

    def _bundle(self, version: ModelVersion) -> Bundle:
        with suppress(ModelportError):
            if (kept := self.cache.get(version.bundle_id)) is not None:
                return kept
        return self.store.load(version)


@dataclass(frozen=True)
class ExplainRows:
    """Checks rows as `PredictOne` does, and explains its answers."""

    model: Callable[[], LoadedModel]
    load: LoadExplainer
    max_rows: int

    def __call__(
        self, records: Sequence[object], extras: PredictionOptions = PLAIN
    ) -> Explanations:
        """Return one explanation per record, all of the same version.

        Raises:
            InvalidRows, InvalidData, TooLarge: as `PredictOne` does.
            NotSupported: this installation, or this model, has no explanations.
            ArtefactRejected: contributions do not add up to the prediction.
        """
        model = self.model()
        predictions = PredictOne(lambda: model, self.max_rows)(records, extras)
        matrix = model.manifest.schema.encode_records(records)
        explained = self.load(model).explain(matrix)
        explained.require_sum(predictions.vector)
        return Explanations(predictions, model.manifest.schema.names, explained)
