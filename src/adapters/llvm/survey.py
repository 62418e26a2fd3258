"""Tells of places what the nearest training rows are like, in compiled code."""

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from adapters.llvm.building import FLOAT64
from adapters.llvm.compiler import HOST, compiled
from adapters.llvm.layout import address
from adapters.llvm.survey_kernel import FIELDS, NAME, columns_for, kernel
from domain.schema import Matrix
from domain.surroundings import MOST, Surroundings, Survey

# Training rows whose places are surveyed both ways at load.
_TRIED = 16


class Surveyed(ctypes.Structure):
    """The fields of what is surveyed, as the kernel reads them."""

    _fields_ = [
        (name, ctypes.c_double if kind is FLOAT64 else ctypes.c_int64)
        for name, kind in FIELDS.items()
    ]


def survey_of(surroundings: Surroundings) -> Survey:
    """Return a quick way to survey places, or the slow one where that would answer otherwise."""
    width = len(surroundings.names)
    if width == 1 or len(surroundings.columns) != columns_for(width):
        return surroundings.survey
    quick = CompiledSurvey(surroundings)
    tried = surroundings.places[:: max(1, len(surroundings.places) // _TRIED)]
    alike = quick(tried).tobytes() == surroundings.survey(tried).tobytes()
    return quick if alike else surroundings.survey


class CompiledSurvey:
    """Answers as `Surroundings.survey` does; from any thread, and without the interpreter."""

    def __init__(self, surroundings: Surroundings, processor: str = HOST) -> None:
        self._width, self._columns = len(surroundings.names), len(surroundings.columns)
        self._arrays = _arrays(surroundings)  # keeps alive what the fields point to
        near, grid = surroundings.nearest, surroundings.nearest.grid
        self._surveyed = Surveyed(
            **{name: address(array) for name, array in self._arrays.items()},
            left=grid.left,
            bottom=grid.bottom,
            side=grid.side,
            scale=surroundings.scale,
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


def _arrays(surroundings: Surroundings) -> Mapping[str, NDArray[np.generic]]:
    near = surroundings.nearest
    numbers = {"x": near.x, "y": near.y, "told": surroundings.told, "flatter": surroundings.flatter}
    places = {"points": near.points, "starts": near.starts, "radius": near.radius}
    return {
        **{name: np.ascontiguousarray(array, dtype=np.float64) for name, array in numbers.items()},
        **{name: np.ascontiguousarray(array, dtype=np.int64) for name, array in places.items()},
    }
