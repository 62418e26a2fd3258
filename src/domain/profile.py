"""What the training rows looked like: a sketch of every feature, never the rows themselves."""

from typing import Any

import numpy as np

from domain.feature import Feature, Kind, Vector
from domain.reach import map_cells
from domain.schema import Matrix, Schema

_LEVELS = tuple(step / 20 for step in range(21))


def profile(schema: Schema, matrix: Matrix, predictions: Vector) -> dict[str, Any]:
    """Describe each feature of `matrix`, shape (rows, features), and the model's predictions.

    The predictions are best those of rows that the model has not seen, as it will be asked them.
    Where the schema has coordinates, the map cells that have rows are kept as well.
    A category is described by the count of each value, anything else by 21 equally spaced
    quantiles from the lowest value to the highest.
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
