"""Square cells over points of a plane, and how far to look around each of them.

For each cell it is known how large a block of cells around it must be to hold enough points: from
a place in that cell, none of the nearest is beyond the farthest corner of that block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import hypot, sqrt
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector

Whole: TypeAlias = NDArray[np.intp]

_CELLS_PER_POINT = 8
_MOST_CELLS_A_SIDE = 1024
# Of a cell; by less, the offset of a place far away could not be divided.
_SMALLEST_SIDE = 1e-290
# Room for rounding: a few points too many may be compared, never one too few.
WIDER = 1 + 1e-9
PART_OF_A_CELL = 1e-6


@dataclass(frozen=True, slots=True)
class GridIndex:
    """Square cells over the points; places elsewhere count as in the cell at the edge."""

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
            max(width, height) / _MOST_CELLS_A_SIDE,
        )
        if not side > _SMALLEST_SIDE:
            return cls(left, bottom, 1.0, 1, 1)
        return cls(left, bottom, side, int(width / side) + 1, int(height / side) + 1)

    def column(self, x: Vector) -> Whole:
        """Return the column of a place, or the one at the edge; never decreases with `x`."""
        return _clipped((x - self.left) / self.side, self.columns)

    def row(self, y: Vector) -> Whole:
        """Return the row of a place, or the one at the edge; never decreases with `y`."""
        return _clipped((y - self.bottom) / self.side, self.rows)

    def cell(self, x: Vector, y: Vector) -> Whole:
        """Return the number of a place's cell; cells are numbered row by row."""
        return self.row(y) * self.columns + self.column(x)

    def radius(self, counts: Whole, enough: int) -> Whole:
        """Return for each cell how many cells a block that holds `enough` points must reach out.

        That of two cells side by side differs by at most one: it is looked for in the middles of
        blocks of nine, and then of each cell near that of its middle.
        """
        total = np.zeros((self.rows + 1, self.columns + 1), dtype=np.intp)
        total[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)
        rows, columns = np.arange(self.rows), np.arange(self.columns)
        middles = (
            np.minimum(rows[::3] + 1, self.rows - 1),
            np.minimum(columns[::3] + 1, self.columns - 1),
        )
        none = np.full((len(middles[0]), len(middles[1])), -1)
        everything = np.full(none.shape, max(self.rows, self.columns))
        held = partial(self._held, total, *middles)
        found = _least(lambda out: held(out) >= enough, none, everything)
        near = found[rows // 3][:, columns // 3]
        held = partial(self._held, total, rows, columns)
        found = _least(lambda out: held(out) >= enough, np.maximum(near - 2, -1), near + 1)
        return found.ravel()

    def _held(self, total: Whole, row: Whole, column: Whole, out: Whole) -> Whole:
        """Return how many points the block around each cell holds that reaches so far out."""
        row, width, held_by = row[:, None], self.columns + 1, total.ravel().take
        top = np.minimum(row + out + 1, self.rows) * width
        bottom = np.maximum(row - out, 0) * width
        right = np.minimum(column + out + 1, self.columns)
        left = np.maximum(column - out, 0)
        held: Whole = held_by(top + right) - held_by(bottom + right)
        held += held_by(bottom + left) - held_by(top + left)
        return held

    def strips(self, x: Vector, y: Vector, radius: Whole) -> tuple[Whole, Whole, Whole]:
        """Return the rows of cells to look at: their first cells, those after, and how many rows.

        They cover the circle within which there are enough points for certain.
        """
        row, column = self.row(y), self.column(x)
        out = radius[row * self.columns + column]
        across = _farther(x - self.left, column, out, self.columns, self.side)
        along = _farther(y - self.bottom, row, out, self.rows, self.side)
        reach = np.hypot(across, along) * WIDER
        bottom, top = self.row(y - reach), self.row(y + reach)
        left, right = self.column(x - reach), self.column(x + reach)
        heights = top - bottom + 1
        before = ranges(bottom, heights) * self.columns
        after = before + np.repeat(right + 1, heights)
        return before + np.repeat(left, heights), after, heights

    def strips_of(self, x: float, y: float, radius: Whole) -> tuple[slice, slice]:
        """Return the same for one place: the first cells and those after, each as a slice."""
        row, column = self._one(y - self.bottom, self.rows), self._one(x - self.left, self.columns)
        out = int(radius[row * self.columns + column])
        across = self._farther(x - self.left, column, out, self.columns)
        along = self._farther(y - self.bottom, row, out, self.rows)
        reach = hypot(across, along) * WIDER
        bottom = self._one(y - reach - self.bottom, self.rows) * self.columns
        top = self._one(y + reach - self.bottom, self.rows) * self.columns
        left = self._one(x - reach - self.left, self.columns)
        right = self._one(x + reach - self.left, self.columns) + 1
        return (
            slice(bottom + left, top + left + 1, self.columns),
            slice(bottom + right, top + right + 1, self.columns),
        )

    def _one(self, offset: float, count: int) -> int:
        return int(min(max(offset / self.side, 0), count - 1))

    def _farther(self, offset: float, cell: int, out: int, count: int) -> float:
        low = (max(cell - out, 0) - PART_OF_A_CELL) * self.side
        high = (min(cell + out + 1, count) + PART_OF_A_CELL) * self.side
        return max(offset - low, high - offset)


def ranges(starts: Whole, sizes: Whole) -> Whole:
    """Return `sizes` numbers in sequence from each of `starts`, one after another."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + sizes, sizes)


def _least(holds: Callable[[Whole], NDArray[np.bool_]], low: Whole, high: Whole) -> Whole:
    """Return the least numbers for which something holds: more than `low`, and at most `high`."""
    while (high - low).max() > 1:
        middle = np.maximum((low + high) // 2, 0)
        enough = holds(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _clipped(cells: Vector, count: int) -> Whole:
    return np.minimum(np.maximum(cells, 0), count - 1).astype(np.intp)


def _farther(offset: Vector, cell: Whole, out: Whole, count: int, side: float) -> Vector:
    """Return how far the farther edge of a block is, a little more than it is; along one axis."""
    low = (np.maximum(cell - out, 0) - PART_OF_A_CELL) * side
    high = (np.minimum(cell + out + 1, count) + PART_OF_A_CELL) * side
    farther: Vector = np.maximum(offset - low, high - offset)
    return farther
