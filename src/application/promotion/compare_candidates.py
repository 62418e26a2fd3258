"""Gathering what the gate wants to know of a challenger and of the champion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from application.data.labelled_rows import LabelledRows
from application.model.load_model import LoadModel
from application.ports import Predictor
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected
from domain.evaluation.metrics import measure
from domain.evaluation.segments import segments
from domain.model.bundle import Bundle
from domain.model.manifest import Manifest
from domain.model.probe_rows import nearby
from domain.model.reference import ModelVersion
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import PromotionDecision
from domain.promotion.policy import PromotionPolicy

_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class ChampionComparison:
    """What the gate saw and what it decided; `champion` is the one that was there before."""

    champion: Candidate | Incomparable | None
    decision: PromotionDecision


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that can be asked, whether it is registered or not."""

    label: str
    manifest: Manifest
    bundle: Bundle
    predictor: Predictor


@dataclass(frozen=True)
class CompareCandidates:
    """Asks both models the same hold-out, in the same process, and lets the policy decide."""

    load: LoadModel
    policy: PromotionPolicy
    seconds: Callable[[], float] = perf_counter

    def __call__(
        self, challenger: Contender, incumbent: ModelVersion | None, holdout: LabelledRows
    ) -> ChampionComparison:
        """Compare a challenger with the champion, if there is one."""
        schema = challenger.manifest.schema
        champion = self._champion(incumbent, schema)
        theirs: Candidate | Incomparable | None
        if isinstance(champion, Contender):
            ours, theirs = self._measured([challenger, champion], holdout)
        else:
            (ours,), theirs = self._measured([challenger], holdout), champion
        parts = segments(schema, holdout.matrix, holdout.target, schema.target.name)
        return ChampionComparison(theirs, self.policy.decide(ours, theirs, parts))

    def _measured(self, models: Sequence[Contender], holdout: LabelledRows) -> list[Candidate]:
        predictors = [model.predictor for model in models]
        rows, schema = holdout.matrix[:_ROUNDS], models[0].manifest.schema
        for predictor in predictors:
            predictor.predict(rows)  # from here on these places are known to either
        times = row_times(predictors, rows, self.seconds)
        elsewhere = nearby(schema, rows, _ROUNDS)
        unknown: Sequence[float | None] = [None for _ in models]
        if len(elsewhere):
            unknown = row_times(predictors, elsewhere, self.seconds)
        return [
            _candidate(model, known, new, holdout)
            for model, known, new in zip(models, times, unknown, strict=True)
        ]

    def _champion(
        self, incumbent: ModelVersion | None, schema: Schema
    ) -> Contender | Incomparable | None:
        if incumbent is None:
            return None
        try:
            bundle = self.load.store.load(incumbent)
            model = self.load.opened(incumbent, bundle)
        except ArtefactRejected as error:
            return Incomparable(incumbent.label, str(error), may_be_replaced=True)
        if not model.manifest.schema.takes_the_same_rows_as(schema):
            why = "its schema has other features; promote the new version by hand if that is meant"
            return Incomparable(incumbent.label, why, may_be_replaced=False)
        return Contender(incumbent.label, model.manifest, bundle, model.predictor)


def _candidate(
    model: Contender, row_ms: float, new_place_ms: float | None, holdout: LabelledRows
) -> Candidate:
    answers = model.predictor.predict(holdout.matrix)
    return Candidate(
        label=model.label,
        metrics=measure(holdout.target, answers),
        squared=np.square(holdout.target - answers),
        data=model.manifest.data,
        split=model.manifest.split,
        bundle_id=model.bundle.id,
        size=sum(map(len, model.bundle.files.values())),
        row_ms=row_ms,
        uncertainty=model.manifest.uncertainty,
        new_place_ms=new_place_ms,
    )


def row_times(
    predictors: Sequence[Predictor], matrix: Matrix, seconds: Callable[[], float] = perf_counter
) -> list[float]:
    """Return the milliseconds in which each answers for one row: medians, taken side by side.

    They take turns, so that whatever else the machine does strikes them alike.
    """
    taken: list[list[float]] = [[] for _ in predictors]
    for number in range(_ROUNDS):
        row = matrix[number % len(matrix)][np.newaxis]
        for predictor, times in zip(predictors, taken, strict=True):
            started = seconds()
            predictor.predict(row)
            times.append(seconds() - started)
    return [1000 * median(times) for times in taken]
