"""A search for hyper-parameters that uses given rows only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from application.data.labelled_rows import LabelledRows
from application.ports import Learner, Searcher
from application.training.cross_validate import rmse
from domain.data.schema import Schema
from domain.experiments.ladder import SPACE
from domain.training.cross_validation import Folding
from domain.training.search_space import Trial, best
from domain.training.specification import Parameter, TrainingSpec


@dataclass(frozen=True)
class NestedSearch:
    """A picklable task: one search, whose trials are evaluated on folds of the given rows.

    The estimator itself predicts: exporting the serving form would take half a second per trial.
    """

    learner: Learner
    searcher: Searcher
    schema: Schema
    rows: LabelledRows
    spec: TrainingSpec
    start: Mapping[str, Parameter]
    folding: Folding
    budget: int

    def __call__(self, positions: NDArray[np.intp]) -> Sequence[Trial]:
        rows = self.rows[positions]

        def objective(parameters: Mapping[str, Parameter]) -> float:
            return mean(self._errors(replace(self.spec, parameters=parameters), rows))

        return self.searcher.search(SPACE, objective, self.budget, self.folding.seed, self.start)

    def _errors(self, spec: TrainingSpec, rows: LabelledRows) -> Iterator[float]:
        for fold in self.folding.of(len(rows)):
            training, other = rows[fold.training], rows[fold.holdout]
            fitted = self.learner.fit(spec, self.schema, training.matrix, training.target)
            yield rmse(other.target, fitted.predictor.predict(other.matrix))


def search_rows(folding: Folding, rows: int) -> dict[str, NDArray[np.intp]]:
    """Return the positions of the rows of each search: all rows, then those of each fold."""
    folds = enumerate(folding.of(rows), 1)
    return {"all rows": np.arange(rows)} | {f"fold {n}": fold.training for n, fold in folds}


def best_specification(trials: Sequence[Trial], spec: TrainingSpec) -> TrainingSpec:
    """Return the specification of the best trial of a search that started at `spec`."""
    chosen = best(trials)
    return spec if chosen is trials[0] else replace(spec, parameters=chosen.parameters)
