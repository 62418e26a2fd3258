"""Segments of rows: bands of the prediction, categories and map cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Kind, Vector
from domain.data.schema import Matrix, Schema

Mask: TypeAlias = NDArray[np.bool_]

BANDS = 5
PREDICTED = "prediction"
_MAP_HALVINGS = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of rows; `by` is what divides the rows, `name` the name of this segment."""

    by: str
    name: str
    rows: Mask

    @property
    def label(self) -> str:
        """What divides the rows, and the name."""
        return f"{self.by} {self.name}"

    def __len__(self) -> int:
        return int(np.count_nonzero(self.rows))


def segments(schema: Schema, matrix: Matrix, values: Vector, by: str = PREDICTED) -> list[Segment]:
    """Return the segments of rows: fifths by a value, each category, and eight map cells.

    `values`, shape (rows,), are the predictions or, as named by `by`, other values. Rows with a
    missing category or location are in no segment of that kind. Segments without rows are left out.
    """
    found = [*_bands(values, by), *_categories(schema, matrix), *_cells(schema, matrix)]
    return [segment for segment in found if segment.rows.any()]


def _bands(values: Vector, by: str) -> Iterator[Segment]:
    edges = np.quantile(values, np.linspace(0, 1, BANDS + 1)[1:-1])
    numbers = np.searchsorted(edges, values, side="right")
    for number in range(BANDS):
        rows = numbers == number
        if rows.any():
            yield Segment(by, _span(values[rows]), rows)


def _categories(schema: Schema, matrix: Matrix) -> Iterator[Segment]:
    for position, feature in enumerate(schema.features):
        if feature.kind is Kind.CATEGORY:
            for code, category in enumerate(feature.categories):
                yield Segment(feature.name, category, matrix[:, position] == code)


def _cells(schema: Schema, matrix: Matrix) -> Iterator[Segment]:
    """Halve the map three times, across its longer side, with equally many rows on both sides."""
    if schema.coordinates is None:
        return
    names = (schema.coordinates.latitude, schema.coordinates.longitude)
    locations = matrix[:, [schema.names.index(name) for name in names]]
    cells: list[Mask] = [np.isfinite(np.sum(locations, axis=1))]
    for _ in range(_MAP_HALVINGS):
        cells = [half for cell in cells if cell.any() for half in _halves(locations, cell)]
    for cell in cells:
        if cell.any():
            spans = (f"{name} {_span(locations[cell, n])}" for n, name in enumerate(names))
            yield Segment("map", ", ".join(spans), cell)


def _halves(locations: Matrix, cell: Mask) -> tuple[Mask, Mask]:
    longer = int(np.argmax(np.ptp(locations[cell], axis=0)))
    below = locations[:, longer] <= np.median(locations[cell, longer])
    return cell & below, cell & ~below


def _span(values: Vector) -> str:
    return f"{np.min(values):,.6g} to {np.max(values):,.6g}"
