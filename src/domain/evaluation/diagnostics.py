"""Diagnostics of a model's errors: by segment, on the map, and by shuffled features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.evaluation.segments import Segment

CELLS_ACROSS = 70
LOCATION = "latitude and longitude"


@dataclass(frozen=True, slots=True)
class SegmentError:
    """The errors of a segment: RMSE, mean absolute error, and mean of prediction - target."""

    by: str
    part: str
    rows: int
    rmse: float
    mae: float
    bias: float


@dataclass(frozen=True, slots=True)
class CalibrationBand:
    """The mean prediction and the mean target of some rows."""

    predicted: float
    true: float


@dataclass(frozen=True, slots=True)
class ErrorMap:
    """The mean error of each map cell that has rows, by its centre; its side is `size` degrees."""

    size: float
    longitude: Sequence[float]
    latitude: Sequence[float]
    rows: Sequence[int]
    mean: Sequence[float]


def error_by_segment(
    parts: Sequence[Segment], target: Vector, predictions: Vector
) -> list[SegmentError]:
    """Return the errors of each segment; `target` and `predictions` have shape (rows,)."""
    residuals = predictions - target
    found = []
    for part in parts:
        errors = residuals[part.rows]
        found.append(
            SegmentError(
                by=part.by,
                part=part.name,
                rows=len(errors),
                rmse=sqrt(float(np.mean(np.square(errors)))),
                mae=float(np.mean(np.abs(errors))),
                bias=float(np.mean(errors)),
            )
        )
    return found


def calibration(target: Vector, predictions: Vector, bands: int = 20) -> list[CalibrationBand]:
    """Return mean prediction and mean target in bands of equally many rows, by prediction."""
    order = np.argsort(predictions, kind="stable")
    groups = [group for group in np.array_split(order, bands) if len(group)]
    return [
        CalibrationBand(float(np.mean(predictions[g])), float(np.mean(target[g]))) for g in groups
    ]


def on_map(schema: Schema, matrix: Matrix, residuals: Vector) -> ErrorMap | None:
    """Return the mean residual of each cell of a map that has rows; None without coordinates.

    Cells are squares in degrees, `CELLS_ACROSS` along the longer side. Rows without a location
    are left out.
    """
    if schema.coordinates is None:
        return None
    names = (schema.coordinates.longitude, schema.coordinates.latitude)
    locations = matrix[:, [schema.names.index(name) for name in names]]
    known = np.isfinite(locations).all(axis=1)
    locations, residuals = locations[known], residuals[known]
    if not len(locations):
        return None
    low = locations.min(axis=0)
    size = float(np.ptp(locations, axis=0).max()) / CELLS_ACROSS or 1.0
    cells, which = np.unique(np.floor((locations - low) / size), axis=0, return_inverse=True)
    which = which.ravel()
    counts = np.bincount(which)
    means = np.bincount(which, weights=residuals) / counts
    centres = low + (cells + 0.5) * size
    return ErrorMap(
        size=size,
        longitude=centres[:, 0].tolist(),
        latitude=centres[:, 1].tolist(),
        rows=counts.tolist(),
        mean=means.tolist(),
    )


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Columns that are shuffled together: both coordinates, or a single feature."""

    name: str
    columns: NDArray[np.intp]

    def __call__(self, matrix: Matrix, seed: int) -> Matrix:
        """Return the rows with these columns shuffled."""
        order = np.random.default_rng(seed).permutation(len(matrix))
        changed = matrix.copy()
        changed[:, self.columns] = matrix[np.ix_(order, self.columns)]
        return changed


def shuffles(schema: Schema) -> Iterator[Shuffled]:
    """Yield the coordinates together, and every other feature alone."""
    where = schema.coordinates
    location = (where.longitude, where.latitude) if where else ()
    if location:
        yield Shuffled(LOCATION, np.array([schema.names.index(name) for name in location]))
    for position, name in enumerate(schema.names):
        if name not in location:
            yield Shuffled(name, np.array([position]))


def pareto_optimal(costs: Sequence[float], errors: Sequence[float]) -> list[bool]:
    """Return whether each model is Pareto optimal: no other is better and not more expensive."""
    pairs = list(zip(costs, errors, strict=True))
    return [
        not any(
            (other[0] <= cost and other[1] <= error) and other != (cost, error) for other in pairs
        )
        for cost, error in pairs
    ]
