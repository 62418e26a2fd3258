"""A grid of square cells over points of the plane, and the search radius of each cell.

The radius of a cell is the size of the block of cells around it that holds enough points.
For a query point in that cell, no nearest point is farther away than the block's farthest corner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import hypot, sqrt
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector

Indices: TypeAlias = NDArray[np.intp]

_CELLS_PER_POINT = 8
_MOST_CELLS_PER_SIDE = 1024
# With a smaller side, the offset of a distant point divided by it would overflow.
_SMALLEST_SIDE = 1e-290
# Margins for rounding: a few points too many may be compared, never one too few.
DISTANCE_MARGIN = 1 + 1e-9
CELL_MARGIN = 1e-6


@dataclass(frozen=True, slots=True)
class GridIndex:
    """Square cells over the points; a point outside belongs to the nearest cell at the edge."""

    left: float
    bottom: float
    side: float
    columns: int
    rows: int

    @classmethod
    def over(cls, x: Vector, y: Vector) -> Self:
        left, bottom = float(x.min()), float(y.min())
        width, height = float(x.max()) - left, float(y.max()) - bottom
        side = max(
            sqrt(width / len(x) / _CELLS_PER_POINT) * sqrt(height),
            max(width, height) / _MOST_CELLS_PER_SIDE,
        )
        if not side > _SMALLEST_SIDE:
            return cls(left, bottom, 1.0, 1, 1)
        return cls(left, bottom, side, int(width / side) + 1, int(height / side) + 1)

    def column(self, x: Vector) -> Indices:
        """Return the column of each point, or the one at the edge; never decreases with `x`."""
        return _clipped((x - self.left) / self.side, self.columns)

    def row(self, y: Vector) -> Indices:
        """Return the row of each point, or the one at the edge; never decreases with `y`."""
        return _clipped((y - self.bottom) / self.side, self.rows)

    def cell(self, x: Vector, y: Vector) -> Indices:
        """Return the number of each point's cell; cells are numbered row by row."""
        return self.row(y) * self.columns + self.column(x)

    def radius(self, counts: Indices, enough: int) -> Indices:
        """Return the radius of each cell: the rings of cells around it that hold `enough` points.

        The radii of adjacent cells differ by at most one. So the middle cells of 3 × 3 blocks are
        searched first, and all others near the radius of their middle cell.
        """
        total = np.zeros((self.rows + 1, self.columns + 1), dtype=np.intp)
        total[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)
        rows, columns = np.arange(self.rows), np.arange(self.columns)
        middles = (
            np.minimum(rows[::3] + 1, self.rows - 1),
            np.minimum(columns[::3] + 1, self.columns - 1),
        )
        lowest = np.full((len(middles[0]), len(middles[1])), -1)
        highest = np.full(lowest.shape, max(self.rows, self.columns))
        count = partial(self._count, total, *middles)
        found = _least(lambda radius: count(radius) >= enough, lowest, highest)
        near = found[rows // 3][:, columns // 3]
        count = partial(self._count, total, rows, columns)
        found = _least(lambda radius: count(radius) >= enough, np.maximum(near - 2, -1), near + 1)
        return found.ravel()

    def _count(self, total: Indices, row: Indices, column: Indices, radius: Indices) -> Indices:
        """Return the number of points in the block around each cell, from cumulative counts."""
        row, width, sums = row[:, None], self.columns + 1, total.ravel().take
        top = np.minimum(row + radius + 1, self.rows) * width
        bottom = np.maximum(row - radius, 0) * width
        right = np.minimum(column + radius + 1, self.columns)
        left = np.maximum(column - radius, 0)
        count: Indices = sums(top + right) - sums(bottom + right)
        count += sums(bottom + left) - sums(top + left)
        return count

    def strips(self, x: Vector, y: Vector, radius: Indices) -> tuple[Indices, Indices, Indices]:
        """Return runs of adjacent cells to search: first cells, ends, and the number per point.

        They cover a circle around each query point that is known to hold enough points.
        """
        row, column = self.row(y), self.column(x)
        rings = radius[row * self.columns + column]
        across = _farthest_edge(x - self.left, column, rings, self.columns, self.side)
        along = _farthest_edge(y - self.bottom, row, rings, self.rows, self.side)
        distance = np.hypot(across, along) * DISTANCE_MARGIN
        bottom, top = self.row(y - distance), self.row(y + distance)
        left, right = self.column(x - distance), self.column(x + distance)
        heights = top - bottom + 1
        before = ranges(bottom, heights) * self.columns
        after = before + np.repeat(right + 1, heights)
        return before + np.repeat(left, heights), after, heights

    def strips_of(self, x: float, y: float, radius: Indices) -> tuple[slice, slice]:
        """Return first cells and ends of the runs for one query point, each as a slice."""
        row, column = self._one(y - self.bottom, self.rows), self._one(x - self.left, self.columns)
        rings = int(radius[row * self.columns + column])
        across = self._farthest_edge(x - self.left, column, rings, self.columns)
        along = self._farthest_edge(y - self.bottom, row, rings, self.rows)
        distance = hypot(across, along) * DISTANCE_MARGIN
        bottom = self._one(y - distance - self.bottom, self.rows) * self.columns
        top = self._one(y + distance - self.bottom, self.rows) * self.columns
        left = self._one(x - distance - self.left, self.columns)
        right = self._one(x + distance - self.left, self.columns) + 1
        return (
            slice(bottom + left, top + left + 1, self.columns),
            slice(bottom + right, top + right + 1, self.columns),
        )

    def _one(self, offset: float, count: int) -> int:
        return int(min(max(offset / self.side, 0), count - 1))

    def _farthest_edge(self, offset: float, cell: int, rings: int, count: int) -> float:
        low = (max(cell - rings, 0) - CELL_MARGIN) * self.side
        high = (min(cell + rings + 1, count) + CELL_MARGIN) * self.side
        return max(offset - low, high - offset)


def ranges(starts: Indices, sizes: Indices) -> Indices:
    """Return `sizes` consecutive numbers from each of `starts`, concatenated."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + sizes, sizes)


def _least(holds: Callable[[Indices], NDArray[np.bool_]], low: Indices, high: Indices) -> Indices:
    """Return the least numbers in (low, high] for which a monotonic condition holds: bisection."""
    while (high - low).max() > 1:
        middle = np.maximum((low + high) // 2, 0)
        enough = holds(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _clipped(cells: Vector, count: int) -> Indices:
    return np.minimum(np.maximum(cells, 0), count - 1).astype(np.intp)


def _farthest_edge(
    offset: Vector, cell: Indices, rings: Indices, count: int, side: float
) -> Vector:
    """Return the distance to the farther edge of the block along one axis, plus a margin."""
    low = (np.maximum(cell - rings, 0) - CELL_MARGIN) * side
    high = (np.minimum(cell + rings + 1, count) + CELL_MARGIN) * side
    farthest: Vector = np.maximum(offset - low, high - offset)
    return farthest
