"""Metrics of predictions, and the parity check of two forms of a model."""

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

from domain.data.feature import Vector
from domain.errors import ArtefactRejected, InvalidData

# Two forms of one model may differ by rounding in the last bits of a float64, never by more.
PARITY_TOLERANCE = 1e-9
_SMALLEST_SCALE = 1e-300


@dataclass(frozen=True, slots=True)
class Metrics:
    """Errors on `rows` hold-out rows; `rmse` and `mae` are in units of the target."""

    rmse: float
    mae: float
    r2: float
    rows: int

    def to_mapping(self) -> dict[str, float]:
        """Return the metrics by name."""
        return {"rmse": self.rmse, "mae": self.mae, "r2": self.r2, "rows": self.rows}


def measure(target: Vector, predictions: Vector) -> Metrics:
    """Return the metrics of predictions, shape (rows,), against true values.

    R² is 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    Raises:
        InvalidData: the target is constant, so that R² is undefined, or an error is
            too large to be squared.
    """
    variation = variation_of(target)
    with np.errstate(over="ignore"):
        squared = float(np.sum(np.square(target - predictions)))
    if not isfinite(squared):
        raise InvalidData("the errors of the predictions are too large to be squared")
    return Metrics(
        rmse=sqrt(squared / len(target)),
        mae=float(np.mean(np.abs(target - predictions))),
        r2=1.0 - squared / variation,
        rows=len(target),
    )


def variation_of(target: Vector) -> float:
    """Return Σ(y - ȳ)² of a target, shape (rows,).

    Raises:
        InvalidData: it is zero, so that R² is undefined, or not finite.
    """
    with np.errstate(over="ignore"):
        variation = float(np.sum(np.square(target - np.mean(target))))
    if variation == 0 or np.ptp(target) == 0:  # the rounded mean may leave about 1e-33
        raise InvalidData(
            f"the target is constant: all {len(target)} rows have the same value, or their "
            f"differences are too small to be squared, so models cannot be compared"
        )
    if not isfinite(variation):
        raise InvalidData("the differences of the target are too large to be squared")
    return variation


def largest_deviation(expected: Vector, actual: Vector) -> float:
    """Return the largest relative difference of two vectors; infinite if any value is not finite.

    A value is compared on its own scale or that of the average value, whichever is larger. Where
    both are so small that a quotient would overflow, the scale is 1.
    """
    if expected.shape != actual.shape:
        return float("inf")
    if not len(expected):
        return 0.0
    with np.errstate(all="ignore"):
        size = np.abs(expected)
        scale = np.maximum(size, np.mean(size))
        scale[scale < _SMALLEST_SCALE] = 1.0
        deviations = np.abs(expected - actual) / scale
    comparable = np.isfinite(scale).all() and np.isfinite(deviations).all()
    return float(np.max(deviations)) if comparable else float("inf")


def require_parity(expected: Vector, actual: Vector, what: str) -> float:
    """Return the largest relative deviation of two forms of one model.

    Raises:
        ArtefactRejected: it is more than rounding can explain.
    """
    deviation = largest_deviation(expected, actual)
    if deviation > PARITY_TOLERANCE:
        raise ArtefactRejected(
            f"{what}: predictions differ by up to {deviation:.3g} relative; "
            f"allowed: {PARITY_TOLERANCE:g}"
        )
    return deviation
