"""Cross-validation: each row is predicted once, by a model that was not fitted on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector
from domain.errors import InvalidData, Misconfigured
from domain.training.specification import Parameter

# Shares of a fold's training rows at which a learning curve is measured.
_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
MOST_FOLDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The positions of the rows to fit on, and of those to evaluate on."""

    training: NDArray[np.intp]
    holdout: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Folding:
    """A seeded random split of rows into `count` folds, whose sizes differ by one row at most."""

    count: int = 5
    seed: int = 42

    def __post_init__(self) -> None:
        if not 2 <= self.count <= MOST_FOLDS:
            raise Misconfigured(f"folds: {self.count} is not from 2 to {MOST_FOLDS}")
        if not 0 <= self.seed < 2**32:
            raise Misconfigured(f"seed: {self.seed} is not from 0 to 4294967295")

    def of(self, rows: int) -> tuple[Fold, ...]:
        """Return the folds of `rows` rows.

        Raises:
            InvalidData: there are fewer than two rows for each fold.
        """
        if rows < 2 * self.count:
            raise InvalidData(
                f"{rows} rows are too few for {self.count} folds: {2 * self.count} are needed"
            )
        numbers = np.random.RandomState(self.seed).permutation(rows) % self.count
        return tuple(
            Fold(np.flatnonzero(numbers != number), np.flatnonzero(numbers == number))
            for number in range(self.count)
        )


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """The results of all folds.

    `predictions`, shape (rows,), are out-of-fold. `scores` are the RMSE and `seconds` the time to
    fit, by fold. `size` is the bytes of the files of one model, `row_us` the latency of its serving
    form for one row, in microseconds. `parameters` are all hyper-parameters of the estimator.
    """

    parameters: Mapping[str, Parameter]
    scores: tuple[float, ...]
    seconds: tuple[float, ...]
    size: int
    row_us: float
    predictions: Vector

    def squared(self, target: Vector) -> Vector:
        """Return the squared error of each row, shape (rows,)."""
        return np.square(target - self.predictions)

    def rmse(self, target: Vector) -> float:
        """Return the root of the mean squared error over all rows."""
        return sqrt(float(np.mean(self.squared(target))))


def growing(fold: Fold) -> tuple[Fold, ...]:
    """Return folds with growing shares of a fold's training rows, and the same hold-out.

    The training rows must be shuffled. The last fold has all of them.
    """
    count = len(fold.training)
    sizes = sorted({max(2, round(share * count)) for share in _SHARES})
    return tuple(Fold(fold.training[:size], fold.holdout) for size in sizes)
