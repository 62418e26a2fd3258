"""Cross-validation: every row is judged once, by a model that has not learnt from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector
from domain.data.mapping_reader import Reader
from domain.errors import InvalidData, Misconfigured
from domain.training.specification import Parameter

# Shares of a fold's training rows at which a learning curve is measured.
_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
MOST_FOLDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The positions of the rows to learn from, and of those to judge by."""

    training: NDArray[np.intp]
    judged: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Folding:
    """Rows at random in `count` folds that differ by one row at most; the same for every model."""

    count: int = 5
    seed: int = 42

    def __post_init__(self) -> None:
        if not 2 <= self.count <= MOST_FOLDS:
            raise Misconfigured(f"folds: {self.count} is not from 2 to {MOST_FOLDS}")
        if not 0 <= self.seed < 2**32:
            raise Misconfigured(f"seed: {self.seed} is not from 0 to 4294967295")

    def of(self, rows: int) -> tuple[Fold, ...]:
        """Divide so many rows.

        Raises:
            InvalidData: there are not two for each fold.
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
    """What the models of all folds came to.

    `predictions` has one value per row, shape (rows,), of the model that had not seen it. `scores`
    are the RMSE and `seconds` the time to fit by fold; `size` is the bytes of the files of one
    model, `row_us` the microseconds in which its serving form answers for one row. `parameters`
    are the hyper-parameters in force.
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

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "parameters": dict(self.parameters),
            "scores": list(self.scores),
            "seconds": list(self.seconds),
            "size": self.size,
            "row_us": self.row_us,
            "predictions": self.predictions.tolist(),
        }

    @classmethod
    def from_mapping(cls, mapping: object, where: str) -> Self:
        """Read it back.

        Raises:
            Misconfigured: it is not in the form of `to_mapping`.
        """
        reader = Reader(mapping, where)
        found = cls(
            parameters=reader.mapping_of("parameters"),
            scores=reader.numbers("scores"),
            seconds=reader.numbers("seconds"),
            size=reader.whole("size"),
            row_us=reader.number("row_us"),
            predictions=np.array(reader.numbers("predictions")),
        )
        reader.finish()
        return found


def growing(fold: Fold) -> tuple[Fold, ...]:
    """Return folds that learn from more and more of a fold's rows, and are judged by the same.

    The rows must come in an order that says nothing; the last fold is the whole one.
    """
    count = len(fold.training)
    sizes = sorted({max(2, round(share * count)) for share in _SHARES})
    return tuple(Fold(fold.training[:size], fold.judged) for size in sizes)
