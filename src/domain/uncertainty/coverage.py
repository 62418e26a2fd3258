"""Coverage and width of prediction intervals, overall and by segment."""

from dataclasses import dataclass, replace

import numpy as np

from domain.data.feature import Vector
from domain.data.schema import Target
from domain.evaluation.segments import Segment
from domain.uncertainty.conformal import GUARANTEE, METHOD, Bounds, Quantiles

LEVEL = 0.9
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of `rows` true values inside their intervals, and the mean width of the intervals.

    The width is in units of the target.
    """

    rows: int
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class LevelCoverage:
    """The coverage of the intervals of one level; `quantile` is that of the conformal scores."""

    level: float
    quantile: float
    rows: int
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class SegmentCoverage:
    """The coverage in one segment of the hold-out."""

    by: str
    segment: str
    rows: int
    coverage: float
    width: float

    @property
    def label(self) -> str:
        """The name of the segment and of what divides the rows."""
        return f"{self.by} {self.segment}"


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The coverage of a model's intervals, measured on the hold-out.

    `rows`, `coverage`, `width` and `segments` are of intervals of `level`. `scores` is the number
    of conformal scores behind the quantiles, `constant` the coverage of intervals calibrated on
    the same errors that have one width for all rows. `narrower` is the fraction by which the
    intervals are narrower than those of one width that cover as many rows.
    """

    method: str
    guarantee: str
    scores: int
    level: float
    rows: int
    coverage: float
    width: float
    constant: Coverage
    narrower: float
    levels: tuple[LevelCoverage, ...]
    segments: tuple[SegmentCoverage, ...]


def cover(target: Vector, bounds: Bounds) -> Coverage:
    """Return the coverage of true values, shape (rows,), with one row or more."""
    inside = (bounds.lower <= target) & (target <= bounds.upper)
    width = float(np.mean(bounds.width))
    return Coverage(len(target), float(np.mean(inside)), width)


@dataclass(frozen=True, slots=True)
class Scored:
    """The hold-out: true values, predictions, and predictions of the error-scale model.

    Intervals are within the range of `column`.
    """

    target: Vector
    predictions: Vector
    roots: Vector
    column: Target

    def bounds(self, quantiles: Quantiles, level: float) -> Bounds:
        """Return the interval of each row, as it is served."""
        bounds = quantiles.bounds(self.predictions, self.roots, level)
        return bounds.within_range(self.column)


def assess(
    quantiles: Quantiles, constant: Quantiles, holdout: Scored, parts: list[Segment]
) -> Uncertainty:
    """Measure intervals on the hold-out.

    `constant` is calibrated on the same errors, with one error scale for all rows.
    """
    bounds = holdout.bounds(quantiles, LEVEL)
    overall = cover(holdout.target, bounds)
    flat = replace(holdout, roots=np.zeros(overall.rows)).bounds(constant, LEVEL)
    return Uncertainty(
        method=METHOD,
        guarantee=GUARANTEE,
        scores=quantiles.scores,
        level=LEVEL,
        rows=overall.rows,
        coverage=overall.coverage,
        width=overall.width,
        constant=cover(holdout.target, flat),
        narrower=_narrower(overall, holdout),
        levels=tuple(_at(quantiles, holdout, level) for level in _levels(quantiles)),
        segments=tuple(_of_segment(part, holdout.target, bounds) for part in parts),
    )


def _levels(quantiles: Quantiles) -> list[float]:
    return [level for level in LEVELS if level <= quantiles.highest]


def _at(quantiles: Quantiles, holdout: Scored, level: float) -> LevelCoverage:
    bounds = holdout.bounds(quantiles, level)
    found = cover(holdout.target, bounds)
    return LevelCoverage(level, quantiles.quantile(level), found.rows, found.coverage, found.width)


def _of_segment(part: Segment, target: Vector, bounds: Bounds) -> SegmentCoverage:
    found = cover(target[part.rows], bounds[part.rows])
    return SegmentCoverage(part.by, part.name, found.rows, found.coverage, found.width)


def _narrower(overall: Coverage, holdout: Scored) -> float:
    """Return by which fraction the intervals are narrower than constant ones of equal coverage."""
    errors = np.sort(np.abs(holdout.target - holdout.predictions))
    width = 2 * float(errors[max(round(overall.coverage * len(errors)), 1) - 1])
    return 1 - overall.width / width if width else 0.0
