"""Exact search for the nearest of many points of a plane, from one place or from many at once.

The points lie in the cells of a grid. For each cell it is known how large a block of cells around
it must be to hold enough points: from a place in that cell, none of the nearest is beyond the
farthest corner of that block. All points within that distance are compared. Every number is
computed place by place, so that an answer is the same to the last bit whatever is asked with it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from domain.data.feature import Vector
from domain.features.grid_index import GridIndex, Whole, ranges

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
class NearestNeighbours:
    """Finds the `most` nearest of the points that it was built of.

    Points are known by their position in the order given. Of two that are equally near, the one
    in the cell that comes first is taken first, and within a cell the one that was given first.
    """

    most: int
    grid: GridIndex
    x: Vector
    y: Vector
    points: Whole
    starts: Whole
    radius: Whole

    @classmethod
    def of(cls, x: Vector, y: Vector, most: int) -> Self:
        """Build the search over finite points, shape (points,) each way; `most` is at least 1."""
        grid = GridIndex.over(x, y)
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
        candidates = ranges(starts, sizes)
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


def _padded(values: Vector, counts: Whole) -> Vector:
    """Return values that stand one place after another as rows of one width, ending in infinity."""
    width = int(counts.max())
    shifts = np.arange(len(counts)) * width - np.cumsum(counts) + counts
    padded = np.full(len(counts) * width, np.inf)
    padded[np.arange(len(values)) + np.repeat(shifts, counts)] = values
    return padded.reshape(len(counts), width)
