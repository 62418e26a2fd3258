"""How a dataset is split for training."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidData, Misconfigured


@dataclass(frozen=True, slots=True)
class Split:
    """A seeded random hold-out, and validation rows; both are fractions of all rows.

    Validation rows stay unused. They make metrics comparable with published ones whose authors
    tune on such rows: the fractions 0.2 and 0.16 leave 64% as training rows.
    """

    holdout: float = 0.2
    seed: int = 42
    validation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.holdout < 1:
            raise Misconfigured(f"hold-out fraction: {self.holdout} is not between 0 and 1")
        if not 0 <= self.validation < 1 - self.holdout:
            raise Misconfigured(
                f"validation fraction: {self.validation} is not from 0 to below "
                f"{1 - self.holdout:g}, which is what a hold-out of {self.holdout} leaves"
            )
        if not 0 <= self.seed < 2**32:
            raise Misconfigured(f"seed: {self.seed} is not from 0 to 4294967295")

    def positions(self, rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the training rows and of the hold-out, in shuffled order.

        Without validation rows, they are those of scikit-learn's `train_test_split(
        test_size=holdout, random_state=seed)`, in the same order. Validation rows are the first of
        the training rows, so the hold-out does not depend on them.

        Raises:
            InvalidData: there are too few rows to train on some and hold out at least two.
        """
        held = ceil(rows * self.holdout)
        first = held + round(rows * self.validation)
        if held < 2 or rows - first < 2:
            raise InvalidData(
                f"{rows} rows are too few: {held} of them would be the hold-out and "
                f"{rows - first} training rows; allowed: at least 2 of each"
            )
        shuffled = np.random.RandomState(self.seed).permutation(rows).astype(np.intp)
        return shuffled[first:], shuffled[:held]
