"""Cross-validate a specification; each fold is fitted and exported as in training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from time import perf_counter, process_time

import numpy as np

from application.data.labelled_rows import LabelledRows
from application.ports import Executor, Learner, Predictor, Runtime
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.training.cross_validation import CrossValidation, Fold, Folding
from domain.training.specification import Parameter, TrainingSpec

# Calls by which the latency of one row is measured.
_TIMED_CALLS = 200


@dataclass(frozen=True, slots=True)
class Fitted:
    """The files of the model of a fold, and its predictions for the hold-out of the fold.

    `seconds` are of processor time, which does not depend on other load of the machine.
    """

    parameters: Mapping[str, Parameter]
    files: Mapping[str, bytes]
    seconds: float
    predictions: Vector


@dataclass(frozen=True)
class Fit:
    """A picklable task: fits on the training rows of a fold, and predicts for its hold-out.

    The predictions are of the serving form, as on a server.
    """

    learner: Learner
    runtime: Runtime
    schema: Schema
    rows: LabelledRows

    def __call__(self, work: tuple[TrainingSpec, Fold]) -> Fitted:
        spec, fold = work
        training = self.rows[fold.training]
        started = process_time()
        trained = self.learner.fit(spec, self.schema, training.matrix, training.target)
        seconds = process_time() - started
        served = self.runtime.load(self.schema, trained.files)
        predictions = served.predict(self.rows.matrix[fold.holdout])
        return Fitted(trained.parameters, trained.files, seconds, predictions)


@dataclass(frozen=True)
class CrossValidate:
    """Fits a specification once for each fold, on as many workers as the executor has."""

    learner: Learner
    runtime: Runtime
    executor: Executor
    workers: int | None = None

    def __call__(
        self, spec: TrainingSpec, schema: Schema, rows: LabelledRows, folding: Folding
    ) -> CrossValidation:
        """Return the results of all folds, and a prediction for every row.

        Raises:
            InvalidData: there are too few rows for the folds.
            Misconfigured: the specification cannot be fitted.
        """
        return self.each([(spec, fold) for fold in folding.of(len(rows))], schema, rows)

    def each(
        self, work: Sequence[tuple[TrainingSpec, Fold]], schema: Schema, rows: LabelledRows
    ) -> CrossValidation:
        """Return the results of folds with a specification each.

        Raises:
            Misconfigured: a specification cannot be fitted.
        """
        predictions = np.empty(len(rows))
        scores, models = [], []
        for (_, fold), model in zip(work, self.all_fits(work, schema, rows), strict=True):
            predictions[fold.holdout] = model.predictions
            scores.append(rmse(rows.target[fold.holdout], model.predictions))
            models.append(model)
        first = models[0]
        served = self.runtime.load(schema, first.files)
        return CrossValidation(
            parameters=first.parameters,
            scores=tuple(scores),
            seconds=tuple(model.seconds for model in models),
            size=sum(map(len, first.files.values())),
            row_us=row_time(served, rows.matrix[work[0][1].holdout]),
            predictions=predictions,
        )

    def fits(
        self, spec: TrainingSpec, schema: Schema, rows: LabelledRows, folds: Iterable[Fold]
    ) -> Iterator[Fitted]:
        """Yield the model of each fold, in order."""
        return self.all_fits([(spec, fold) for fold in folds], schema, rows)

    def all_fits(
        self, work: Iterable[tuple[TrainingSpec, Fold]], schema: Schema, rows: LabelledRows
    ) -> Iterator[Fitted]:
        """Yield the model of each specification on its fold, in order."""
        task = Fit(self.learner, self.runtime, schema, rows)
        return self.executor.map(task, work, self.workers)


def rmse(target: Vector, predictions: Vector) -> float:
    """Return the root of the mean squared error, both of shape (rows,)."""
    return sqrt(float(np.mean(np.square(target - predictions))))


def row_time(
    predictor: Predictor, matrix: Matrix, seconds: Callable[[], float] = perf_counter
) -> float:
    """Return the median latency of a model for one row, in microseconds."""
    taken = []
    for number in range(_TIMED_CALLS):
        row = matrix[number % len(matrix)][np.newaxis]
        started = seconds()
        predictor.predict(row)
        taken.append(seconds() - started)
    return 1e6 * median(taken)
