"""The profile of the training rows: counts and quantiles per feature, never the rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Schema

# The side of a map cell, in degrees: about 20 to 30 kilometres.
CELL = 0.25

_LEVELS = tuple(step / 20 for step in range(21))


def map_cells(schema: Schema, matrix: Matrix) -> list[list[int]] | None:
    """Return the map cells that have rows, from south to north; None without coordinates."""
    locations = locations_of(schema, matrix)
    if locations is None:
        return None
    known = locations[np.isfinite(locations).all(axis=1)]
    cells: list[list[int]] = np.unique(cells_of(known), axis=0).tolist()
    return cells


def profile(schema: Schema, matrix: Matrix, predictions: Vector) -> dict[str, Any]:
    """Describe each feature of `matrix`, shape (rows, features), and the model's predictions.

    The predictions should be for rows that the model was not fitted on. With coordinates, the map
    cells that have rows are included. A category is described by the count of each value, any
    other feature by 21 equally spaced quantiles from the lowest value to the highest.
    """
    cells = map_cells(schema, matrix)
    return {
        "rows": len(matrix),
        "features": {
            feature.name: _sketch(feature, matrix[:, position])
            for position, feature in enumerate(schema.features)
        },
        "prediction": {"quantiles": _quantiles(predictions)},
        **({} if cells is None else {"cells": cells}),
    }


def _sketch(feature: Feature, column: Vector) -> dict[str, Any]:
    known = column[~np.isnan(column)]
    sketch: dict[str, Any] = {"missing": len(column) - len(known)}
    if feature.kind is Kind.CATEGORY:
        counts = np.bincount(known.astype(np.intp), minlength=len(feature.categories))
        return sketch | {"counts": dict(zip(feature.categories, counts.tolist(), strict=True))}
    return sketch | {"quantiles": _quantiles(known)}


def _quantiles(values: Vector) -> list[float]:
    return [float(value) for value in np.quantile(values, _LEVELS)] if len(values) else []


def locations_of(schema: Schema, matrix: Matrix) -> Matrix | None:
    """Return latitude and longitude of each row, shape (rows, 2); None without coordinates."""
    if schema.coordinates is None:
        return None
    names = (schema.coordinates.latitude, schema.coordinates.longitude)
    return matrix[:, [schema.names.index(name) for name in names]]


def cells_of(locations: Matrix) -> NDArray[np.int64]:
    """Return the map cell of each location, shape (rows, 2): its index to the north and east."""
    return np.floor(np.clip(locations, -1e6, 1e6) / CELL).astype(np.int64)
