"""Ports of training: learners and searchers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from application.ports.model import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.training.search_space import Space, Trial
from domain.training.specification import Parameter, TrainingSpec


@dataclass(frozen=True)
class TrainedModel:
    """A fitted estimator and its files, which are made on first use.

    `predictor` predicts with the estimator itself, for the parity check; `export` makes the files,
    the same each time; `libraries` are the versions used. `predict_training` predicts the training
    rows from the columns that the estimator was fitted on: no row is among its own neighbours.
    """

    predictor: "Predictor"
    export: Callable[[], Mapping[str, bytes]]
    parameters: Mapping[str, Any]
    libraries: Mapping[str, str]
    predict_training: Callable[[], Vector]

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The serving form and the estimator itself, by file name.

        Raises:
            Misconfigured: a hyper-parameter gave the estimator a form that cannot be exported.
        """
        return self.export()


class Learner(Protocol):
    """Fits estimators."""

    @property
    def error_scale(self) -> TrainingSpec:
        """The specification of error-scale models; their target is the root of the error."""
        ...

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        """Fit on `matrix`, shape (rows, features), and `target`, shape (rows,).

        Raises:
            Misconfigured: a hyper-parameter is unknown or has a value that is not allowed.
        """
        ...


class Searcher(Protocol):
    """Searches for the hyper-parameters with the lowest error."""

    def search(
        self,
        space: Space,
        objective: Callable[[Mapping[str, Parameter]], float],
        budget: int,
        seed: int,
        start: Mapping[str, Parameter],
    ) -> Sequence[Trial]:
        """Return `budget` trials in the order they were made, the same for the same seed.

        The first one is `start`, which may be outside of the space.
        """
        ...
