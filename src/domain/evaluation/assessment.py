"""The errors of a model on its hold-out with bootstrap intervals, overall and by segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from domain.data.feature import Vector
from domain.evaluation.bootstrap import Resampling
from domain.evaluation.segments import Segment

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MetricIntervals:
    """The bootstrap confidence interval of each metric."""

    rmse: Interval
    mae: Interval
    r2: Interval


@dataclass(frozen=True, slots=True)
class SegmentErrors:
    """The errors in one segment of the hold-out; `low` to `high` is the interval of the RMSE."""

    by: str
    segment: str
    rows: int
    rmse: float
    low: float
    high: float
    mae: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The errors of a model on its hold-out: bootstrap intervals, and each segment."""

    confidence: float
    resamples: int
    intervals: MetricIntervals
    segments: tuple[SegmentErrors, ...]


def assess_errors(
    target: Vector, predictions: Vector, parts: Sequence[Segment], resampling: Resampling
) -> Evaluation:
    """Return bootstrap intervals of the metrics, and the errors in each segment.

    `target` and `predictions` have shape (rows,), in shuffled order.
    """
    errors = target - predictions
    squared, absolute = np.square(errors), np.abs(errors)
    centred = target - np.mean(target)
    means = resampling.means(np.column_stack([squared, absolute, centred, np.square(centred)]))
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = 1 - means[:, 0] / (means[:, 3] - np.square(means[:, 2]))
    return Evaluation(
        confidence=resampling.confidence,
        resamples=resampling.resamples,
        intervals=MetricIntervals(
            rmse=resampling.interval(np.sqrt(means[:, 0])),
            mae=resampling.interval(means[:, 1]),
            r2=resampling.interval(explained),
        ),
        segments=tuple(_of_segment(part, squared, absolute, resampling) for part in parts),
    )


def _of_segment(
    part: Segment, squared: Vector, absolute: Vector, resampling: Resampling
) -> SegmentErrors:
    low, high = resampling.interval(
        np.sqrt(resampling.means(squared[part.rows][:, np.newaxis])[:, 0])
    )
    return SegmentErrors(
        by=part.by,
        segment=part.name,
        rows=len(part),
        rmse=float(np.sqrt(np.mean(squared[part.rows]))),
        low=low,
        high=high,
        mae=float(np.mean(absolute[part.rows])),
    )
