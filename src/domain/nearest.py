"""Exact search for the nearest of many points of a plane, from one place or from many at once.

The points lie in the cells of a grid. For each cell it is known how large a block of cells around
it must be to hold enough points: from a place in that cell, none of the nearest is beyond the
farthest corner of that block. All points within that distance are compared. Every number is
computed place by place, so that an answer is the same to the last bit whatever is asked with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.feature import Vector

Whole: TypeAlias = NDArray[np.intp]

_CELLS_PER_POINT = 4
_MOST_CELLS_A_SIDE = 1024
# Room for rounding: a few points too many may be compared, never one too few.
_WIDER = 1 + 1e-9
_PART_OF_A_CELL = 1e-6
# Few enough places at a time for all that is compared to stay in the cache of a core.
_PLACES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of each place the nearest points, nearest first: which ones, and at what squared distance.

    Both have the shape (places, k).
    """

    points: Whole
    squares: Vector


@dataclass(frozen=True, slots=True)
class Nearest:
    """Finds the `most` nearest of the points that it was built of.

    Points are known by their position in the order given. Of two that are equally near, the one
    in the cell that comes first is taken first, and within a cell the one that was given first.
    """

    most: int
    _grid: "_Grid"
    _x: Vector
    _y: Vector
    _points: Whole
    _starts: Whole
    _radius: Whole

    @classmethod
    def of(cls, x: Vector, y: Vector, most: int) -> Self:
        """Build the search over finite points, shape (points,) each way; `most` is at least 1."""
        grid = _Grid.over(x, y)
        cells = grid.cell(x, y)
        points = np.argsort(cells, kind="stable")
        counts = np.bincount(cells, minlength=grid.columns * grid.rows)
        most = min(most, len(x))
        return cls(
            most,
            grid,
            x[points],
            y[points],
            points,
            np.concatenate([[0], np.cumsum(counts)]),
            grid.radius(counts.reshape(grid.rows, grid.columns), most),
        )

    def __call__(self, x: Vector, y: Vector) -> Neighbours:
        """Return the nearest points of each place; `x` and `y` have the shape (places,)."""
        if len(x) <= _PLACES_AT_ONCE:
            return self._some(x, y)
        parts = [self._some(x[part], y[part]) for part in _parts(len(x))]
        return Neighbours(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.squares for part in parts]),
        )

    def _some(self, x: Vector, y: Vector) -> Neighbours:
        if not len(x):
            return Neighbours(np.empty((0, self.most), dtype=np.intp), np.empty((0, self.most)))
        grid = self._grid
        reach = grid.reach(x, y, self._radius)
        first, last, heights = grid.strips(x, y, reach)
        starts = self._starts.take(first)
        sizes = self._starts.take(last + 1) - starts
        ends = np.cumsum(sizes)
        candidates = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
        counts = np.diff(ends.take(np.cumsum(heights) - 1), prepend=0)
        across = self._x.take(candidates) - np.repeat(x, counts)
        along = self._y.take(candidates) - np.repeat(y, counts)
        return self._first(candidates, across * across + along * along, counts)

    def _first(self, candidates: Whole, squares: Vector, counts: Whole) -> Neighbours:
        """Candidates of a place stand in the order of the cells, which a stable sort keeps."""
        limits = np.partition(_padded(squares, counts), self.most - 1, axis=1)[:, self.most - 1]
        owners = np.repeat(np.arange(len(counts)), counts)
        near = np.flatnonzero(squares <= limits.take(owners))
        counts = np.bincount(owners.take(near), minlength=len(counts))
        padded = _padded(squares.take(near), counts)
        chosen = np.argsort(padded, axis=1, kind="stable")[:, : self.most]
        before = (np.cumsum(counts) - counts)[:, None]
        found = self._points.take(candidates.take(near.take(before + chosen)))
        return Neighbours(found, np.take_along_axis(padded, chosen, axis=1))


@dataclass(frozen=True, slots=True)
class _Grid:
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
        if not side > 0:
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
        """Return for each cell how many cells a block that holds `enough` points must reach out."""
        total = np.zeros((self.rows + 1, self.columns + 1), dtype=np.intp)
        total[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)
        row, column = np.divmod(np.arange(counts.size), self.columns)
        low = np.full(counts.size, -1)
        high = np.full(counts.size, max(self.rows, self.columns))
        while (high - low).max() > 1:
            middle = np.maximum((low + high) // 2, 0)
            top = np.minimum(row + middle + 1, self.rows)
            right = np.minimum(column + middle + 1, self.columns)
            bottom, left = np.maximum(row - middle, 0), np.maximum(column - middle, 0)
            held = total[top, right] - total[bottom, right] - total[top, left] + total[bottom, left]
            low = np.where(held < enough, middle, low)
            high = np.where(held < enough, high, middle)
        return high

    def reach(self, x: Vector, y: Vector, radius: Whole) -> Vector:
        """Return a distance within which there are enough points: the block's farthest corner."""
        row, column = self.row(y), self.column(x)
        out = radius[row * self.columns + column]
        across = _farther(x - self.left, column, out, self.columns, self.side)
        along = _farther(y - self.bottom, row, out, self.rows, self.side)
        return np.hypot(across, along) * _WIDER

    def strips(self, x: Vector, y: Vector, reach: Vector) -> tuple[Whole, Whole, Whole]:
        """Return the first and last cell of each row of cells in reach; how many rows by place."""
        bottom, top = self.row(y - reach), self.row(y + reach)
        left, right = self.column(x - reach), self.column(x + reach)
        heights = top - bottom + 1
        ends = np.cumsum(heights)
        row = np.arange(ends[-1]) + np.repeat(bottom - ends + heights, heights)
        start = row * self.columns
        return start + np.repeat(left, heights), start + np.repeat(right, heights), heights


def _padded(values: Vector, counts: Whole) -> Vector:
    """Return values that stand one place after another as rows of one width, ending in infinity."""
    width = int(counts.max())
    shifts = np.arange(len(counts)) * width - np.cumsum(counts) + counts
    padded = np.full(len(counts) * width, np.inf)
    padded[np.arange(len(values)) + np.repeat(shifts, counts)] = values
    return padded.reshape(len(counts), width)


def _parts(places: int) -> Iterator[slice]:
    for start in range(0, places, _PLACES_AT_ONCE):
        yield slice(start, start + _PLACES_AT_ONCE)


def _clipped(cells: Vector, count: int) -> Whole:
    return np.minimum(np.maximum(cells, 0), count - 1).astype(np.intp)


def _farther(offset: Vector, cell: Whole, out: Whole, count: int, side: float) -> Vector:
    """Return how far the farther edge of a block is, a little more than it is; along one axis."""
    low = (np.maximum(cell - out, 0) - _PART_OF_A_CELL) * side
    high = (np.minimum(cell + out + 1, count) + _PART_OF_A_CELL) * side
    farther: Vector = np.maximum(offset - low, high - offset)
    return farther
