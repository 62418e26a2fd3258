"""How often intervals hold the truth and how wide they are, overall and segment by segment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.data.feature import Vector
from domain.evaluation.segments import Segment
from domain.uncertainty.conformal import GUARANTEE, METHOD, Bounds, Quantiles

LEVEL = 0.9
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `rows` rows the share whose truth is inside, and the mean width in units of the target."""

    rows: int
    coverage: float
    width: float

    def to_mapping(self) -> dict[str, float]:
        """Return the figures by name."""
        return {"rows": self.rows, "coverage": self.coverage, "width": self.width}


def cover(target: Vector, bounds: Bounds) -> Coverage:
    """Compare intervals with the truth, shape (rows,); there is at least one row."""
    inside = (bounds.lower <= target) & (target <= bounds.upper)
    width = float(np.mean(bounds.width))
    return Coverage(len(target), float(np.mean(inside)), width)


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that took no part in training: truth, predictions, the spread model's answers."""

    target: Vector
    predictions: Vector
    roots: Vector


def assess(
    quantiles: Quantiles, constant: Quantiles, holdout: Judged, parts: list[Segment]
) -> dict[str, Any]:
    """Return what a manifest says about a model's intervals, measured on the hold-out.

    `constant` is calibrated by the same errors for a spread that is the same everywhere. What
    stands beside no level is of intervals at 0.9. `narrower` compares the widths at equal
    coverage of the hold-out, by the constant width that covers as much of it.
    """
    bounds = quantiles.bounds(holdout.predictions, holdout.roots, LEVEL)
    overall = cover(holdout.target, bounds)
    flat = constant.bounds(holdout.predictions, np.zeros(overall.rows), LEVEL)
    return {
        "method": METHOD,
        "guarantee": GUARANTEE,
        "scores": quantiles.scores,
        "level": LEVEL,
        **overall.to_mapping(),
        "constant": cover(holdout.target, flat).to_mapping(),
        "narrower": _narrower(overall, holdout),
        "levels": [_at(quantiles, holdout, level) for level in _levels(quantiles)],
        "segments": [
            {
                "by": part.by,
                "segment": part.name,
                **cover(holdout.target[part.rows], bounds[part.rows]).to_mapping(),
            }
            for part in parts
        ],
    }


def _levels(quantiles: Quantiles) -> list[float]:
    return [level for level in LEVELS if level <= quantiles.highest]


def _at(quantiles: Quantiles, holdout: Judged, level: float) -> Mapping[str, float]:
    bounds = quantiles.bounds(holdout.predictions, holdout.roots, level)
    quantile = quantiles.quantile(level)
    return {"level": level, "quantile": quantile, **cover(holdout.target, bounds).to_mapping()}


def _narrower(overall: Coverage, holdout: Judged) -> float:
    """Return how much narrower the intervals are than constant ones that cover as many rows."""
    errors = np.sort(np.abs(holdout.target - holdout.predictions))
    width = 2 * float(errors[max(round(overall.coverage * len(errors)), 1) - 1])
    return 1 - overall.width / width if width else 0.0
