"""How well a model does on its hold-out, with how sure that is, overall and segment by segment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from domain.data.feature import Vector
from domain.evaluation.bootstrap import Resampling
from domain.evaluation.segments import Segment


def assess_errors(
    target: Vector, predictions: Vector, parts: Sequence[Segment], resampling: Resampling
) -> dict[str, Any]:
    """Return what a manifest says of a model's errors: bootstrap intervals, and segments.

    `target` and `predictions` have shape (rows,), in an order that says nothing.
    """
    errors = target - predictions
    squared, away = np.square(errors), np.abs(errors)
    centred = target - np.mean(target)
    means = resampling.means(np.column_stack([squared, away, centred, np.square(centred)]))
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = 1 - means[:, 0] / (means[:, 3] - np.square(means[:, 2]))
    drawn = {"rmse": np.sqrt(means[:, 0]), "mae": means[:, 1], "r2": explained}
    return {
        "confidence": resampling.confidence,
        "resamples": resampling.resamples,
        "intervals": {name: [*resampling.interval(each)] for name, each in drawn.items()},
        "segments": [_of_segment(part, squared, away, resampling) for part in parts],
    }


def _of_segment(
    part: Segment, squared: Vector, away: Vector, resampling: Resampling
) -> dict[str, Any]:
    low, high = resampling.interval(
        np.sqrt(resampling.means(squared[part.rows][:, np.newaxis])[:, 0])
    )
    return {
        "by": part.by,
        "segment": part.name,
        "rows": len(part),
        "rmse": float(np.sqrt(np.mean(squared[part.rows]))),
        "low": low,
        "high": high,
        "mae": float(np.mean(away[part.rows])),
    }
