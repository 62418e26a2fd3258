"""Paired comparison of two models' errors on the same rows, with a bootstrap interval.

The bootstrap draws as many rows as there are, with replacement; both models' errors of a row stay
together. A metric varies over these samples as it would over new rows.
"""

from dataclasses import dataclass

import numpy as np

from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import Misconfigured

RESAMPLES = 2000
CONFIDENCE = 0.95

# The seed is fixed, so that the same errors always give the same interval.
_SEED = 20_640
# If there are more rows, the bootstrap draws groups of rows: the variance of a mean is the same.
_GROUPS = 10_000
_DRAWN_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Resampling:
    """The number of bootstrap samples and the confidence of intervals."""

    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise Misconfigured(f"resamples: {self.resamples} is not at least 100")
        if not 0.5 <= self.confidence < 1:
            raise Misconfigured(f"confidence: {self.confidence} is not from 0.5 to below 1")

    def means(self, values: Matrix) -> Matrix:
        """Return the mean of each column in each bootstrap sample, shape (resamples, columns).

        The rows of `values`, shape (rows, columns), stay together. They must be shuffled, as those
        of a hold-out are.
        """
        sums, sizes = _grouped(values)
        count = len(sizes)
        generator = np.random.default_rng(_SEED)
        means = np.empty((self.resamples, values.shape[1]))
        step = max(1, _DRAWN_AT_ONCE // count)
        for start in range(0, self.resamples, step):
            drawn = generator.integers(0, count, (min(step, self.resamples - start), count))
            total = sizes[drawn].sum(axis=1)
            means[start : start + step] = sums[drawn].sum(axis=1) / total[:, np.newaxis]
        return means

    def interval(self, values: Vector) -> tuple[float, float]:
        """Return the bounds of the central share `confidence` of the values."""
        outside = (1 - self.confidence) / 2
        known = values[np.isfinite(values)]
        low, high = np.quantile(known, [outside, 1 - outside]) if len(known) else (0.0, 0.0)
        return float(low), float(high)


def _grouped(values: Matrix) -> tuple[Matrix, Vector]:
    if len(values) <= _GROUPS:
        return values, np.ones(len(values))
    edges = np.linspace(0, len(values), _GROUPS, endpoint=False).astype(np.intp)
    return np.add.reduceat(values, edges, axis=0), np.diff([*edges, len(values)]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Difference:
    """The RMSE of two models on the same rows; `low` to `high` is the interval of `estimate`."""

    rows: int
    ours: float
    theirs: float
    low: float
    high: float

    @property
    def estimate(self) -> float:
        """`ours` - `theirs`: negative if `ours` is lower."""
        return self.ours - self.theirs

    @property
    def relative(self) -> float:
        """The difference as a fraction of `theirs`."""
        return self.estimate / self.theirs if self.theirs else 0.0

    def to_mapping(self) -> dict[str, float]:
        """Return the values by name."""
        return {
            "rows": self.rows,
            "challenger_rmse": self.ours,
            "champion_rmse": self.theirs,
            "difference": self.estimate,
            "low": self.low,
            "high": self.high,
        }


def difference(ours: Vector, theirs: Vector, resampling: Resampling) -> Difference:
    """Compare the squared errors of two models on the same rows, both of shape (rows,)."""
    squared = np.column_stack([ours, theirs])
    roots = np.sqrt(resampling.means(squared))
    low, high = resampling.interval(roots[:, 0] - roots[:, 1])
    mean_ours, mean_theirs = np.sqrt(np.mean(squared, axis=0))
    return Difference(len(ours), float(mean_ours), float(mean_theirs), low, high)
