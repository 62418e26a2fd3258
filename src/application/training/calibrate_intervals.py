"""Calibrate the intervals of a model on out-of-fold errors.

Five models of the same specification are each fitted without a fifth of the training rows, and
predict that fifth. One error-scale model is fitted on all errors, and five more, each without a
fifth. So each conformal score is of a row that neither of its two models was fitted on. Every fold
fits its own encoding (medians, neighbours).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from application.data.labelled_rows import Divided, LabelledRows
from application.model.load_model import GOLDEN
from application.ports import Executor, Learner, Runtime
from application.uncertainty.intervals import error_scale_files
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
    error_scale_rows,
    error_scale_schema,
    folds,
)
from domain.uncertainty.coverage import Scored, Uncertainty, assess

# Takes the predictions for the hold-out, and what is called with the folds done and all folds.
FoldsDone: TypeAlias = Callable[[int, int], None]
Calibration: TypeAlias = Callable[[TrainingSpec, Schema, Divided, Vector, FoldsDone], "Calibrated"]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibration adds to bundle and manifest; empty without intervals.

    `out_of_fold` has the prediction of each training row by the model that was not fitted on it;
    `folds` has a mask of the training rows for each such model.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    uncertainty: Uncertainty | None = None
    out_of_fold: Vector | None = None
    folds: Sequence[NDArray[np.bool_]] = ()


@dataclass(frozen=True)
class CalibrateIntervals:
    """Calibrates the intervals of a model; the learner names the error-scale model.

    Folds run on the executor, which must share memory: threads of this process.
    """

    learner: Learner
    runtime: Runtime
    executor: Executor

    def __call__(
        self,
        spec: TrainingSpec,
        schema: Schema,
        rows: Divided,
        predictions: Vector,
        folds_done: FoldsDone = lambda *_: None,
    ) -> Calibrated:
        """Calibrate on the training rows and measure the coverage on the hold-out.

        `predictions` for the hold-out are of the model fitted by `spec` on all training rows. With
        too few rows the result is empty.

        Raises:
            ArtefactRejected: the serving form of the error-scale model fails the parity check.
        """
        if len(rows.training) < FEWEST_ROWS:
            return Calibrated()
        scale_spec, scale_schema = self.learner.error_scale, error_scale_schema(schema)
        found = self._errors(spec, schema, rows.training, folds_done)
        task = _FitFold(self.learner, scale_spec, scale_schema, found.inputs, found.roots)
        roots = self._out_of_fold(task, spec.seed)
        quantiles = Quantiles.of(found.errors, roots, found.range, found.inputs[:, -1])
        trained = self.learner.fit(scale_spec, scale_schema, found.inputs, found.roots)
        served = self.runtime.load(scale_schema, trained.files)
        inputs = error_scale_rows(rows.holdout.matrix, predictions)
        scored = Scored(rows.holdout.target, predictions, served.predict(inputs), schema.target)
        expected = trained.predictor.predict(inputs)
        require_parity(expected, scored.roots, "error scale of the hold-out")
        golden_inputs = golden.choose(scale_schema, inputs)
        golden_rows = GoldenRows(golden_inputs, served.predict(golden_inputs))
        files = error_scale_files({**trained.files, GOLDEN: golden_rows.to_bytes()})
        constant = Quantiles.of(found.errors, np.zeros(len(found.errors)), found.range)
        parts = segments(schema, rows.holdout.matrix, predictions)
        return Calibrated(
            {**files, UNCERTAINTY: quantiles.to_bytes()},
            assess(quantiles, constant, scored, parts),
            found.predictions,
            folds(len(rows.training), spec.seed),
        )

    def _errors(
        self, spec: TrainingSpec, schema: Schema, rows: LabelledRows, folds_done: FoldsDone
    ) -> "_Errors":
        task = _FitFold(self.learner, spec, schema, rows.matrix, rows.target)
        predictions = self._out_of_fold(task, spec.seed, folds_done)
        errors = np.abs(rows.target - predictions)
        inputs = error_scale_rows(rows.matrix, predictions)
        return _Errors(predictions, inputs, errors, np.sqrt(errors), float(np.ptp(rows.target)))

    def _out_of_fold(
        self, task: "_FitFold", seed: int, folds_done: FoldsDone = lambda *_: None
    ) -> Vector:
        """Return for each row the prediction of a model fitted on the other folds."""
        predictions, parts = np.empty(len(task.matrix)), folds(len(task.matrix), seed)
        folds_done(0, len(parts))
        results = zip(parts, self.executor.map(task, parts), strict=True)
        for done, (fold, found) in enumerate(results, 1):
            predictions[fold] = found
            folds_done(done, len(parts))
        return predictions


@dataclass(frozen=True, slots=True)
class _FitFold:
    """A task: fits on the rows outside of a fold and predicts for the rows in it."""

    learner: Learner
    spec: TrainingSpec
    schema: Schema
    matrix: Matrix
    target: Vector

    def __call__(self, fold: NDArray[np.bool_]) -> Vector:
        training = self.matrix[~fold], self.target[~fold]
        trained = self.learner.fit(self.spec, self.schema, *training)
        return trained.predictor.predict(self.matrix[fold])


@dataclass(frozen=True, slots=True)
class _Errors:
    """Out-of-fold predictions with their absolute errors, and inputs of the error-scale model.

    `roots` are the square roots of the errors; `range` is the range of the target.
    """

    predictions: Vector
    inputs: Matrix
    errors: Vector
    roots: Vector
    range: float


def to_metrics(uncertainty: Uncertainty | None) -> dict[str, float]:
    """Return the metrics of the intervals for a tracker."""
    if uncertainty is None:
        return {}
    return {
        "interval_coverage": uncertainty.coverage,
        "interval_width": uncertainty.width,
    }
