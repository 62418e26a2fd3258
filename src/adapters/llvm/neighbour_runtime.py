"""Neighbour statistics in compiled code."""

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from adapters.llvm.compiler import HOST, address, compiled
from adapters.llvm.ir_builder import FLOAT64
from adapters.llvm.neighbour_kernel import FIELDS, NAME, columns_for, kernel
from domain.data.schema import Matrix
from domain.features.neighbour_statistics import LocationStatistics, NeighbourStatistics

# Locations of training rows for which both implementations are compared at load.
_COMPARED = 16


class StatisticsArrays(ctypes.Structure):
    """The first argument of the kernel."""

    _fields_ = [
        (name, ctypes.c_double if kind is FLOAT64 else ctypes.c_int64)
        for name, kind in FIELDS.items()
    ]


def compile_statistics(statistics: NeighbourStatistics) -> LocationStatistics:
    """Return the compiled function, or `compute` itself if the results are not the same bits."""
    width = len(statistics.names)
    if width == 1 or len(statistics.columns) != columns_for(width, statistics.parameters):
        return statistics.compute
    compiled_statistics = CompiledStatistics(statistics)
    points = statistics.locations[:: max(1, len(statistics.locations) // _COMPARED)]
    same = compiled_statistics(points).tobytes() == statistics.compute(points).tobytes()
    return compiled_statistics if same else statistics.compute


class CompiledStatistics:
    """Returns what `NeighbourStatistics.compute` returns; thread-safe, without the GIL."""

    def __init__(self, statistics: NeighbourStatistics, processor: str = HOST) -> None:
        self._width, self._columns = len(statistics.names), len(statistics.columns)
        self._scratch = (statistics.parameters.neighbours + 1) * self._width
        self._arrays = _arrays(statistics)  # keeps alive what the addresses point to
        nearest, grid = statistics.nearest, statistics.nearest.grid
        self._argument = StatisticsArrays(
            **{name: address(array) for name, array in self._arrays.items()},
            left=grid.left,
            bottom=grid.bottom,
            side=grid.side,
            scale=statistics.longitude_scale,
            columns=grid.columns,
            rows=grid.rows,
            k=min(statistics.parameters.neighbours, nearest.k),
            width=self._width,
        )
        self._reference = ctypes.byref(self._argument)
        self._function = compiled(NAME, kernel, processor, statistics.parameters)

    def __call__(self, points: Matrix) -> Matrix:
        """Return the statistics of query points, shape (points, 2)."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"query points have shape {points.shape}; allowed: (points, 2)")
        columns = np.empty((len(points), self._columns))
        if len(points):
            scratch = np.empty(self._scratch)
            self._function(
                self._reference, address(points), len(points), address(scratch), address(columns)
            )
        return columns


def _arrays(statistics: NeighbourStatistics) -> Mapping[str, NDArray[np.generic]]:
    nearest = statistics.nearest
    numbers = {
        "x": nearest.x,
        "y": nearest.y,
        "values": statistics.values,
        "ridge": statistics.ridge,
    }
    integers = {"indices": nearest.indices, "starts": nearest.starts, "radius": nearest.radius}
    return {
        **{name: np.ascontiguousarray(array, dtype=np.float64) for name, array in numbers.items()},
        **{name: np.ascontiguousarray(array, dtype=np.int64) for name, array in integers.items()},
    }
