"""Exact search for the nearest of many points of a plane, from one place or from many at once.

The points lie in the cells of a grid. For each cell it is known how large a block of cells around
it must be to hold enough points: from a place in that cell, none of the nearest is beyond the
farthest corner of that block. All points within that distance are compared. Every number is
computed place by place, so that an answer is the same to the last bit whatever is asked with it.
"""

from dataclasses import dataclass
from math import hypot, sqrt
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.feature import Vector

Whole: TypeAlias = NDArray[np.intp]

_CELLS_PER_POINT = 8
_MOST_CELLS_A_SIDE = 1024
# Of a cell; by less, the offset of a place far away could not be divided.
_SMALLEST_SIDE = 1e-290
# Room for rounding: a few points too many may be compared, never one too few.
WIDER = 1 + 1e-9
PART_OF_A_CELL = 1e-6
# Few enough places at a time for all that is compared to stay in the cache of a core.
_PLACES_AT_ONCE = 256


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
    grid: "Grid"
    x: Vector
    y: Vector
    points: Whole
    starts: Whole
    radius: Whole

    @classmethod
    def of(cls, x: Vector, y: Vector, most: int) -> Self:
        """Build the search over finite points, shape (points,) each way; `most` is at least 1."""
        grid = Grid.over(x, y)
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
        if len(x) == 1:
            return self._one(float(x[0]), float(y[0]))
        _, _, counts = self._strips(x, y)
        points = np.empty((len(x), self.most), dtype=np.intp)
        squares = np.empty((len(x), self.most))
        # Places for which about as many points are compared go together: less is padded.
        order = np.argsort(counts)
        for start in range(0, len(x), _PLACES_AT_ONCE):
            part = order[start : start + _PLACES_AT_ONCE]
            found = self._some(x[part], y[part])
            points[part], squares[part] = found.points, found.squares
        return Neighbours(points, squares)

    def _one(self, x: float, y: float) -> Neighbours:
        """Answer for one place, as `_some` would, without the cost of arrays of one element."""
        first, last = self.grid.strips_of(x, y, self.radius)
        strips = list(map(slice, self.starts[first].tolist(), self.starts[last].tolist()))
        across = np.concatenate([self.x[strip] for strip in strips]) - x
        along = np.concatenate([self.y[strip] for strip in strips]) - y
        squares = across * across + along * along
        limit = np.partition(squares, self.most - 1)[self.most - 1]
        near = np.flatnonzero(squares <= limit)
        squares = squares.take(near)
        chosen = np.argsort(squares, kind="stable")[: self.most]
        compared = np.concatenate([self.points[strip] for strip in strips])
        points = compared.take(near.take(chosen))
        return Neighbours(points[None], squares.take(chosen)[None])

    def _strips(self, x: Vector, y: Vector) -> tuple[Whole, Whole, Whole]:
        """Return where points to compare begin, how many follow there, and how many by place."""
        first, last, heights = self.grid.strips(x, y, self.radius)
        starts = self.starts.take(first)
        sizes = self.starts.take(last) - starts
        ends = np.cumsum(np.append(0, sizes))
        return starts, sizes, np.diff(ends.take(np.append(0, np.cumsum(heights))))

    def _some(self, x: Vector, y: Vector) -> Neighbours:
        starts, sizes, counts = self._strips(x, y)
        candidates = _ranges(starts, sizes)
        across = self.x.take(candidates) - np.repeat(x, counts)
        along = self.y.take(candidates) - np.repeat(y, counts)
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
        found = self.points.take(candidates.take(near.take(before + chosen)))
        return Neighbours(found, np.take_along_axis(padded, chosen, axis=1))


@dataclass(frozen=True, slots=True)
class Grid:
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
        before = _ranges(bottom, heights) * self.columns
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


def _ranges(starts: Whole, sizes: Whole) -> Whole:
    """Return `sizes` numbers in sequence from each of `starts`, one after another."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + sizes, sizes)


def _padded(values: Vector, counts: Whole) -> Vector:
    """Return values that stand one place after another as rows of one width, ending in infinity."""
    width = int(counts.max())
    shifts = np.arange(len(counts)) * width - np.cumsum(counts) + counts
    padded = np.full(len(counts) * width, np.inf)
    padded[np.arange(len(values)) + np.repeat(shifts, counts)] = values
    return padded.reshape(len(counts), width)


def _clipped(cells: Vector, count: int) -> Whole:
    return np.minimum(np.maximum(cells, 0), count - 1).astype(np.intp)


def _farther(offset: Vector, cell: Whole, out: Whole, count: int, side: float) -> Vector:
    """Return how far the farther edge of a block is, a little more than it is; along one axis."""
    low = (np.maximum(cell - out, 0) - PART_OF_A_CELL) * side
    high = (np.minimum(cell + out + 1, count) + PART_OF_A_CELL) * side
    farther: Vector = np.maximum(offset - low, high - offset)
    return farther
