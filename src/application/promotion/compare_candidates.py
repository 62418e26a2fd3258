"""Compare a challenger with the champion on the same hold-out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from application.data.labelled_rows import LabelledRows
from application.model.load_model import LoadModel
from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, NotFound
from domain.evaluation.metrics import measure
from domain.evaluation.segments import segments
from domain.model.bundle import Bundle
from domain.model.manifest import Manifest
from domain.model.probe_rows import nearby
from domain.model.reference import ModelVersion
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import PromotionDecision
from domain.promotion.policy import PromotionPolicy

_TIMED_ROWS = 50


@dataclass(frozen=True, slots=True)
class ChampionComparison:
    """The champion as it was compared, None without one, and the decision."""

    champion: Candidate | Incomparable | None
    decision: PromotionDecision


@dataclass(frozen=True, slots=True)
class LoadedCandidate:
    """A model in memory, registered or not; `holdout_predictions` where they are known already."""

    label: str
    manifest: Manifest
    bundle: Bundle
    predictor: Predictor
    holdout_predictions: Vector | None = None


@dataclass(frozen=True)
class CompareCandidates:
    """Scores the same hold-out with both models, in one process, and applies the policy."""

    load: LoadModel
    policy: PromotionPolicy
    seconds: Callable[[], float] = perf_counter

    def __call__(
        self, challenger: LoadedCandidate, champion: ModelVersion | None, holdout: LabelledRows
    ) -> ChampionComparison:
        """Compare a challenger with the champion, if there is one."""
        schema = challenger.manifest.schema
        loaded = self._champion(champion, schema)
        theirs: Candidate | Incomparable | None
        if isinstance(loaded, LoadedCandidate):
            ours, theirs = self._measure([challenger, loaded], holdout)
        else:
            (ours,), theirs = self._measure([challenger], holdout), loaded
        parts = segments(schema, holdout.matrix, holdout.target, schema.target.name)
        return ChampionComparison(theirs, self.policy.decide(ours, theirs, parts))

    def _measure(self, models: Sequence[LoadedCandidate], holdout: LabelledRows) -> list[Candidate]:
        predictors = [model.predictor for model in models]
        rows, schema = holdout.matrix[:_TIMED_ROWS], models[0].manifest.schema
        for predictor in predictors:
            predictor.predict(rows)  # fills both location caches
        times = row_times(predictors, rows, self.seconds)
        new_locations = nearby(schema, rows, _TIMED_ROWS)
        new_times: Sequence[float | None] = [None for _ in models]
        if len(new_locations):
            new_times = row_times(predictors, new_locations, self.seconds)
        return [
            _candidate(model, cached, new, holdout)
            for model, cached, new in zip(models, times, new_times, strict=True)
        ]

    def _champion(
        self, version: ModelVersion | None, schema: Schema
    ) -> LoadedCandidate | Incomparable | None:
        if version is None:
            return None
        try:
            bundle = self.load.store.load(version)
            model = self.load.opened(version, bundle)
        except (ArtefactRejected, NotFound) as error:
            return Incomparable(version.label, str(error))
        if not model.manifest.schema.has_same_rows_as(schema):
            return Incomparable(version.label, "its schema has other features")
        return LoadedCandidate(version.label, model.manifest, bundle, model.predictor)


def _candidate(
    model: LoadedCandidate, row_ms: float, new_location_ms: float | None, holdout: LabelledRows
) -> Candidate:
    predictions = model.holdout_predictions
    if predictions is None:
        predictions = model.predictor.predict(holdout.matrix)
    return Candidate(
        label=model.label,
        metrics=measure(holdout.target, predictions),
        squared=np.square(holdout.target - predictions),
        data=model.manifest.data,
        split=model.manifest.split,
        bundle_id=model.bundle.id,
        size=sum(map(len, model.bundle.files.values())),
        row_ms=row_ms,
        uncertainty=model.manifest.uncertainty,
        new_location_ms=new_location_ms,
    )


def row_times(
    predictors: Sequence[Predictor], matrix: Matrix, seconds: Callable[[], float] = perf_counter
) -> list[float]:
    """Return each model's median latency for one row, in milliseconds.

    The models take turns, so that other load on the machine affects all of them.
    """
    taken: list[list[float]] = [[] for _ in predictors]
    for number in range(_TIMED_ROWS):
        row = matrix[number % len(matrix)][np.newaxis]
        for predictor, times in zip(predictors, taken, strict=True):
            started = seconds()
            predictor.predict(row)
            times.append(seconds() - started)
    return [1000 * median(times) for times in taken]
