"""Calibrating a model's intervals by the errors of models that did not learn from the rows.

Five models are fitted as the model itself was, each without a fifth of the training rows, whose
errors it then shows. From these errors a spread model is learnt, and again five, each without a
fifth: scores are of rows that neither the model nor the spread behind them has learnt from. What
the model encodes or looks up in its training rows (medians, neighbours) is learnt anew each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from application.data.labelled_rows import Divided, LabelledRows
from application.model.load_model import GOLDEN
from application.ports import Executor, Learner, Predictor, Runtime
from application.uncertainty.intervals import Intervals, as_spread
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.evaluation.metrics import require_parity
from domain.evaluation.segments import segments
from domain.model import golden_rows as golden
from domain.model.golden_rows import GoldenRows
from domain.training.specification import TrainingSpec
from domain.uncertainty.conformal import (
    FEWEST_ROWS,
    UNCERTAINTY,
    Quantiles,
    folds,
    spread_rows,
    spread_schema,
    to_roots,
)
from domain.uncertainty.coverage import Judged, Uncertainty, assess

Calibration: TypeAlias = Callable[[TrainingSpec, Schema, Divided, Predictor], "Calibrated"]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibration adds to a bundle, and to its manifest; nothing where it was not done."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    uncertainty: Uncertainty | None = None


@dataclass(frozen=True)
class CalibrateIntervals:
    """Makes the intervals of a model; the learner says by what their width is learnt.

    Folds are worked on by the executor, which hands nothing over: one with threads of this process.
    """

    learner: Learner
    runtime: Runtime
    executor: Executor

    def __call__(
        self, spec: TrainingSpec, schema: Schema, rows: Divided, served: Predictor
    ) -> Calibrated:
        """Calibrate on the training rows and measure on the hold-out, which takes no other part.

        `served` is the model that was fitted by `spec` on all training rows. Too few rows make a
        model without intervals.

        Raises:
            ArtefactRejected: the serving form does not answer like the trained spread model.
        """
        if len(rows.training) < FEWEST_ROWS:
            return Calibrated()
        shown = self._errors(spec, schema, rows.training)
        wide = spread_schema(schema)
        task = _FitFold(self.learner, self.learner.spread, wide, shown.inputs, shown.roots)
        roots = self._out_of_fold(task, spec.seed)
        quantiles = Quantiles.of(shown.errors, roots, shown.scale, shown.inputs[:, -1])
        trained = self.learner.fit(self.learner.spread, wide, shown.inputs, shown.roots)
        intervals = Intervals(self.runtime.load(wide, trained.files), quantiles)
        asked, judged = _judge(intervals, rows.holdout, served)
        require_parity(trained.predictor.predict(asked), judged.roots, "spread of the hold-out")
        kept = golden.choose(wide, asked)
        answers = GoldenRows(kept, intervals.spread.predict(kept))
        files = as_spread({**trained.files, GOLDEN: answers.to_bytes()})
        constant = Quantiles.of(shown.errors, np.zeros(len(shown.errors)), shown.scale)
        parts = segments(schema, rows.holdout.matrix, judged.predictions)
        return Calibrated(
            {**files, UNCERTAINTY: quantiles.to_bytes()},
            assess(quantiles, constant, judged, parts),
        )

    def _errors(self, spec: TrainingSpec, schema: Schema, rows: LabelledRows) -> "_Errors":
        task = _FitFold(self.learner, spec, schema, rows.matrix, rows.target)
        predictions = self._out_of_fold(task, spec.seed)
        errors = np.abs(rows.target - predictions)
        scale = float(np.ptp(rows.target))
        return _Errors(spread_rows(rows.matrix, predictions), errors, to_roots(errors), scale)

    def _out_of_fold(self, task: "_FitFold", seed: int) -> Vector:
        """Return for each row the answer of a model that was fitted on the rows of other folds."""
        answers, parts = np.empty(len(task.matrix)), folds(len(task.matrix), seed)
        for held, answered in zip(parts, self.executor.map(task, parts), strict=True):
            answers[held] = answered
        return answers


@dataclass(frozen=True, slots=True)
class _FitFold:
    """A task: fits on the rows that are not held out, and answers for those that are."""

    learner: Learner
    spec: TrainingSpec
    schema: Schema
    matrix: Matrix
    target: Vector

    def __call__(self, held: NDArray[np.bool_]) -> Vector:
        learnt = self.matrix[~held], self.target[~held]
        return self.learner.fit(self.spec, self.schema, *learnt).predictor.predict(
            self.matrix[held]
        )


@dataclass(frozen=True, slots=True)
class _Errors:
    """The errors that out-of-fold predictions made, and what a spread model learns of them."""

    inputs: Matrix
    errors: Vector
    roots: Vector
    scale: float


def to_metrics(uncertainty: Uncertainty | None) -> dict[str, float]:
    """Return the figures of a model's intervals that a tracker keeps."""
    if uncertainty is None:
        return {}
    return {
        "interval_coverage": uncertainty.coverage,
        "interval_width": uncertainty.width,
    }


def _judge(intervals: Intervals, holdout: LabelledRows, served: Predictor) -> tuple[Matrix, Judged]:
    predictions = served.predict(holdout.matrix)
    asked = spread_rows(holdout.matrix, predictions)
    return asked, Judged(holdout.target, predictions, intervals.spread.predict(asked))
