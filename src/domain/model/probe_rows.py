"""Rows that differ from the training rows, for parity checks and measurements of latency."""

from itertools import product

import numpy as np

from domain.data.feature import Feature, Vector
from domain.data.schema import Matrix, Schema

_WIDTHS_AWAY = 10

# In degrees: a centimetre.
_STEP = 1e-7


def without_nullable(schema: Schema, rows: Matrix) -> Matrix:
    """Return the rows without their nullable values; no rows if no feature is nullable."""
    nullable = [position for position, feature in enumerate(schema.features) if feature.nullable]
    without = rows[: len(rows) if nullable else 0].copy()
    without[:, nullable] = np.nan
    return without


def far_away(schema: Schema, rows: Matrix) -> Matrix:
    """Return the rows moved to the four corners of the map; no rows without coordinates."""
    where = schema.coordinates
    if where is None:
        return rows[:0]
    moved = rows.copy()
    axes = [schema.names.index(name) for name in (where.longitude, where.latitude)]
    ends = [_ends(schema.features[axis], rows[:, axis]) for axis in axes]
    for turn, corner in enumerate(product(*ends)):
        moved[turn::4, axes] = corner
    return moved


def nearby(schema: Schema, rows: Matrix, count: int) -> Matrix:
    """Return `count` rows like these, each at a new location a few centimetres away.

    Their locations are not in any location cache. No rows without coordinates.
    """
    where = schema.coordinates
    if where is None or not len(rows):
        return rows[:0]
    moved = rows[np.arange(count) % len(rows)]
    moved[:, schema.names.index(where.longitude)] += _STEP * np.arange(1, count + 1)
    return moved


def _ends(feature: Feature, values: Vector) -> tuple[float, float]:
    """Return the lowest and highest allowed value; without a bound, a value far outside."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    away = np.ceil(_WIDTHS_AWAY * (high - low + 1))
    return (
        float(low - away) if feature.low is None else feature.low,
        float(high + away) if feature.high is None else feature.high,
    )
