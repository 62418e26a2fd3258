"""Exact search of the k nearest points in the plane, for one query point or for many.

The points are sorted into the cells of a grid (see `grid_index`). All points within a distance
that is known to hold k of them are compared. Distances are computed for each query point
separately: the result does not depend on the other query points, to the last bit.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from domain.data.feature import Vector
from domain.features.grid_index import GridIndex, Indices, ranges

# Query points per block, so that all compared points stay in a core's cache.
_POINTS_PER_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Positions and squared distances of the nearest points, nearest first, shape (queries, k)."""

    indices: Indices
    squared_distances: Vector

    def __getitem__(self, selection: Any) -> "Neighbours":
        return Neighbours(self.indices[selection], self.squared_distances[selection])


@dataclass(frozen=True, slots=True)
class NearestNeighbours:
    """Finds the `k` nearest of the points that it was built from.

    Points are identified by their position in the order given. Of two equally near points, the one
    in the first cell comes first, and within a cell the one that was given first.
    """

    k: int
    grid: GridIndex
    x: Vector
    y: Vector
    indices: Indices
    starts: Indices
    radius: Indices

    @classmethod
    def of(cls, x: Vector, y: Vector, k: int) -> Self:
        """Build the index of finite points; `x` and `y` have shape (points,), `k` is at least 1."""
        grid = GridIndex.over(x, y)
        cells = grid.cell(x, y)
        indices = np.argsort(cells, kind="stable")
        counts = np.bincount(cells, minlength=grid.columns * grid.rows)
        k = min(k, len(x))
        return cls(
            k,
            grid,
            x[indices],
            y[indices],
            indices,
            np.concatenate([[0], np.cumsum(counts)]),
            grid.radius(counts.reshape(grid.rows, grid.columns), k),
        )

    def __call__(self, x: Vector, y: Vector) -> Neighbours:
        """Return the nearest points of each query point; `x` and `y` have shape (queries,)."""
        if len(x) == 1:
            return self._search_one(float(x[0]), float(y[0]))
        _, _, counts = self._strips(x, y)
        indices = np.empty((len(x), self.k), dtype=np.intp)
        squared_distances = np.empty((len(x), self.k))
        # Query points with about as many candidates go into one block, which needs less padding.
        order = np.argsort(counts)
        for start in range(0, len(x), _POINTS_PER_BLOCK):
            block = order[start : start + _POINTS_PER_BLOCK]
            found = self._search_block(x[block], y[block])
            indices[block], squared_distances[block] = found.indices, found.squared_distances
        return Neighbours(indices, squared_distances)

    def _search_one(self, x: float, y: float) -> Neighbours:
        """Return what `_search_block` returns, without the cost of arrays of one element."""
        first, last = self.grid.strips_of(x, y, self.radius)
        strips = list(map(slice, self.starts[first].tolist(), self.starts[last].tolist()))
        dx = np.concatenate([self.x[strip] for strip in strips]) - x
        dy = np.concatenate([self.y[strip] for strip in strips]) - y
        squares = dx * dx + dy * dy
        limit = np.partition(squares, self.k - 1)[self.k - 1]
        near = np.flatnonzero(squares <= limit)
        squares = squares.take(near)
        chosen = np.argsort(squares, kind="stable")[: self.k]
        compared = np.concatenate([self.indices[strip] for strip in strips])
        indices = compared.take(near.take(chosen))
        return Neighbours(indices[None], squares.take(chosen)[None])

    def _strips(self, x: Vector, y: Vector) -> tuple[Indices, Indices, Indices]:
        """Return start and length of each run of candidates, and their number per query point."""
        first, last, heights = self.grid.strips(x, y, self.radius)
        starts = self.starts.take(first)
        sizes = self.starts.take(last) - starts
        ends = np.cumsum(np.append(0, sizes))
        return starts, sizes, np.diff(ends.take(np.append(0, np.cumsum(heights))))

    def _search_block(self, x: Vector, y: Vector) -> Neighbours:
        starts, sizes, counts = self._strips(x, y)
        candidates = ranges(starts, sizes)
        dx = self.x.take(candidates) - np.repeat(x, counts)
        dy = self.y.take(candidates) - np.repeat(y, counts)
        return self._nearest(candidates, dx * dx + dy * dy, counts)

    def _nearest(self, candidates: Indices, squares: Vector, counts: Indices) -> Neighbours:
        """Return the nearest candidates by distance; equally near ones keep their order."""
        limits = np.partition(_padded(squares, counts), self.k - 1, axis=1)[:, self.k - 1]
        queries = np.repeat(np.arange(len(counts)), counts)
        near = np.flatnonzero(squares <= limits.take(queries))
        counts = np.bincount(queries.take(near), minlength=len(counts))
        padded = _padded(squares.take(near), counts)
        chosen = np.argsort(padded, axis=1, kind="stable")[:, : self.k]
        before = (np.cumsum(counts) - counts)[:, None]
        found = self.indices.take(candidates.take(near.take(before + chosen)))
        return Neighbours(found, np.take_along_axis(padded, chosen, axis=1))


def _padded(values: Vector, counts: Indices) -> Vector:
    """Return the values of each query point as a row, padded with infinity."""
    width = int(counts.max())
    shifts = np.arange(len(counts)) * width - np.cumsum(counts) + counts
    padded = np.full(len(counts) * width, np.inf)
    padded[np.arange(len(values)) + np.repeat(shifts, counts)] = values
    return padded.reshape(len(counts), width)
