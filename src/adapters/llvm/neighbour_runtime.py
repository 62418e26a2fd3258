"""Tells of places what the nearest training rows are like, in compiled code."""

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from adapters.llvm.compiler import HOST, compiled
from adapters.llvm.ir_builder import FLOAT64
from adapters.llvm.neighbour_kernel import FIELDS, NAME, columns_for, kernel
from adapters.llvm.tree_layout import address
from domain.data.schema import Matrix
from domain.features.neighbours import MOST, LocationStatistics, NeighbourStatistics

# Training rows whose places are surveyed both ways at load.
_TRIED = 16


class StatisticsArrays(ctypes.Structure):
    """The fields of what is surveyed, as the kernel reads them."""

    _fields_ = [
        (name, ctypes.c_double if kind is FLOAT64 else ctypes.c_int64)
        for name, kind in FIELDS.items()
    ]


def compile_statistics(neighbour_statistics: NeighbourStatistics) -> LocationStatistics:
    """Return a quick way to survey places, or the slow one where that would answer otherwise."""
    width = len(neighbour_statistics.names)
    if width == 1 or len(neighbour_statistics.columns) != columns_for(width):
        return neighbour_statistics.survey
    quick = CompiledStatistics(neighbour_statistics)
    tried = neighbour_statistics.places[:: max(1, len(neighbour_statistics.places) // _TRIED)]
    alike = quick(tried).tobytes() == neighbour_statistics.survey(tried).tobytes()
    return quick if alike else neighbour_statistics.survey


class CompiledStatistics:
    """Answers as `NeighbourStatistics.survey` does, from any thread and without the GIL."""

    def __init__(self, neighbour_statistics: NeighbourStatistics, processor: str = HOST) -> None:
        self._width, self._columns = (
            len(neighbour_statistics.names),
            len(neighbour_statistics.columns),
        )
        self._arrays = _arrays(neighbour_statistics)  # keeps alive what the fields point to
        near, grid = neighbour_statistics.nearest, neighbour_statistics.nearest.grid
        self._surveyed = StatisticsArrays(
            **{name: address(array) for name, array in self._arrays.items()},
            left=grid.left,
            bottom=grid.bottom,
            side=grid.side,
            scale=neighbour_statistics.scale,
            columns=grid.columns,
            rows=grid.rows,
            most=min(MOST, near.most),
            width=self._width,
        )
        self._reference = ctypes.byref(self._surveyed)
        self._survey = compiled(NAME, kernel, processor)

    def __call__(self, places: Matrix) -> Matrix:
        """Return what is told of places, shape (places, 2)."""
        places = np.ascontiguousarray(places, dtype=np.float64)
        if places.ndim != 2 or places.shape[1] != 2:
            raise ValueError("places of two coordinates are needed")
        columns = np.empty((len(places), self._columns))
        if len(places):
            scratch = np.empty((MOST + 1) * self._width)
            self._survey(
                self._reference, address(places), len(places), address(scratch), address(columns)
            )
        return columns


def _arrays(neighbour_statistics: NeighbourStatistics) -> Mapping[str, NDArray[np.generic]]:
    near = neighbour_statistics.nearest
    numbers = {
        "x": near.x,
        "y": near.y,
        "told": neighbour_statistics.told,
        "flatter": neighbour_statistics.flatter,
    }
    places = {"points": near.points, "starts": near.starts, "radius": near.radius}
    return {
        **{name: np.ascontiguousarray(array, dtype=np.float64) for name, array in numbers.items()},
        **{name: np.ascontiguousarray(array, dtype=np.int64) for name, array in places.items()},
    }
