"""Searching for hyper-parameters among some of the rows, and of no others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

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
    """A task, picklable: one search from its start to its last trial, among the rows it is given.

    Trials are judged by folds of these rows. The estimator answers itself: the serving form would
    answer the same, and take half a second for each trial to be written.
    """

    learner: Learner
    searcher: Searcher
    schema: Schema
    rows: LabelledRows
    spec: TrainingSpec
    start: Mapping[str, Parameter]
    folding: Folding
    budget: int

    def __call__(self, positions: NDArray[np.intp]) -> list[dict[str, Any]]:
        rows = self.rows[positions]
        seed = self.folding.seed

        def objective(parameters: Mapping[str, Parameter]) -> float:
            return mean(self._errors(replace(self.spec, parameters=parameters), rows))

        trials = self.searcher.search(SPACE, objective, self.budget, seed, self.start)
        return [trial.to_mapping() for trial in trials]

    def _errors(self, spec: TrainingSpec, rows: LabelledRows) -> Iterator[float]:
        for fold in self.folding.of(len(rows)):
            learnt, judged = rows[fold.training], rows[fold.holdout]
            fitted = self.learner.fit(spec, self.schema, learnt.matrix, learnt.target)
            yield rmse(judged.target, fitted.predictor.predict(judged.matrix))


def parts(folding: Folding, rows: int) -> dict[str, NDArray[np.intp]]:
    """Return in which rows to search, by names: first in all, then in those each fold trains on."""
    folds = enumerate(folding.of(rows), 1)
    return {"all rows": np.arange(rows)} | {f"fold {n}": fold.training for n, fold in folds}


def found_by(trials: Sequence[Trial], spec: TrainingSpec) -> TrainingSpec:
    """Return the specification that a search which started at `spec` has come to."""
    winner = best(trials)
    return spec if winner is trials[0] else replace(spec, parameters=winner.parameters)
