"""What the training rows nearest to a place are like: above all, what they cost.

A place is a longitude and a latitude in degrees. A degree of longitude is shorter than one of
latitude: distances are measured in degrees of latitude, on a plane on which a degree of longitude
is as long as it is at the median latitude of the training rows.

What is told of a place depends on nothing but the place, so it is worked out once for each. Only
then is it held against the row itself: what would neighbours cost for each room of theirs, times
the rooms of this one?

Training rows themselves are described as if they were not there (`learn`): a row that saw its own
price among its neighbours' would teach the estimator to trust that price.
"""

from dataclasses import dataclass, field
from io import BytesIO
from math import cos, radians, sin
from typing import Self

import numpy as np
from numpy.lib import format as npy

from domain.errors import ArtefactRejected, InvalidData
from domain.feature import Vector
from domain.memo import Memo
from domain.model import NEIGHBOURS
from domain.nearest import Nearest, Neighbours
from domain.schema import Matrix

_MEANS = (3, 5, 10, 30)
_WEIGHTED = (5, 10, 30)
_OTHERS = (10, 30)
_DISTANCES = (1, 5, 30)
_SPREAD = 10
_EXTREMES = (5, 10)
_MOST = 30
_FEWEST = 2
_PLACE = 2

# A neighbour counts by one over its distance, to which some 500 m are added, in degrees.
_ADDED = 0.005
_FARTHEST = 1e9
_LARGEST_RATE = 1e200
_AXES = tuple(
    (degrees, round(cos(radians(degrees)), 6), round(sin(radians(degrees)), 6))
    for degrees in range(15, 180, 15)
    if degrees != 90
)


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The training rows by place, and what is told of them to their neighbours.

    `places` are longitudes and latitudes, shape (rows, 2); `told` has the shape (rows, names), and
    its first column is the target.
    """

    names: tuple[str, ...]
    places: Matrix
    told: Matrix
    columns: tuple[str, ...] = field(init=False)
    _nearest: Nearest = field(init=False, repr=False)
    _scale: float = field(init=False, repr=False)
    _memo: Memo = field(init=False, repr=False)

    def __post_init__(self) -> None:
        latitude = float(np.median(self.places[:, 1]))
        object.__setattr__(self, "_scale", max(round(cos(radians(latitude)), 3), 0.01))
        object.__setattr__(self, "_nearest", Nearest.of(*self._on_plane(self.places), _MOST + 1))
        object.__setattr__(self, "columns", _names(self.names))
        object.__setattr__(self, "_memo", Memo(self._work_out, len(self.columns)))

    @classmethod
    def learn(cls, names: tuple[str, ...], places: Matrix, told: Matrix) -> tuple[Self, Matrix]:
        """Return the surroundings, and the columns of each training row as if it were not there.

        Rows are kept sorted by place. Of rows in one place, those given first are the nearest ones.

        Raises:
            InvalidData: there are fewer than two rows.
        """
        if len(places) < _FEWEST:
            raise InvalidData(f"one row has no neighbours; allowed: {_FEWEST} rows or more")
        places = places + 0.0
        order = np.lexsort(places.T)
        learnt = cls(names, places[order], told[order])
        columns = np.empty((len(places), len(learnt.columns)))
        columns[order] = learnt._of_training_rows()
        return learnt, _against(told[:, 1:], columns)

    def to_bytes(self) -> bytes:
        """Return the rows as a file of numpy: a matrix of places and what is told, in float64."""
        file = BytesIO()
        rows = np.ascontiguousarray(np.column_stack([self.places, self.told]), dtype="<f8")
        npy.write_array(file, rows, version=(1, 0), allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, names: tuple[str, ...], content: bytes) -> Self:
        """Read the rows back; nothing in them can be executed.

        Raises:
            ArtefactRejected: they are not in the form of `to_bytes`.
        """
        file = BytesIO(content)
        try:
            version = npy.read_magic(file)
            shape, by_column, kind = npy.read_array_header_1_0(file)
        except ValueError as error:
            raise ArtefactRejected(f"{NEIGHBOURS} cannot be read: {error}") from error
        form = (version, by_column, kind, len(shape), shape[-1:])
        if form != ((1, 0), False, np.dtype("<f8"), 2, (len(names) + _PLACE,)):
            raise ArtefactRejected(f"{NEIGHBOURS}: not {len(names) + _PLACE} float64 a row")
        rest = content[file.tell() :]
        if len(rest) != shape[0] * shape[1] * kind.itemsize:
            raise ArtefactRejected(f"{NEIGHBOURS}: it does not hold the {shape[0]} rows it tells")
        rows = np.frombuffer(rest, kind).astype(np.float64).reshape(shape)
        if len(rows) < _FEWEST or not np.isfinite(rows).all():
            raise ArtefactRejected(f"{NEIGHBOURS}: there must be {_FEWEST} finite rows or more")
        return cls(names, rows[:, :_PLACE], rows[:, _PLACE:])

    def describe(self, places: Matrix, own: Matrix) -> Matrix:
        """Return the columns for some rows, shape (rows, columns).

        `places` has the shape (rows, 2); `own` is what is told of these rows but for the target.
        """
        return _against(own, self._memo(places))

    def _work_out(self, places: Matrix) -> Matrix:
        places = places + 0.0  # of the two zeros there are, only one is left
        near = self._nearest(*self._on_plane(places))
        return self._columns(places, Neighbours(near.points[:, :_MOST], near.squares[:, :_MOST]))

    def _of_training_rows(self) -> Matrix:
        near = self._nearest(*self._on_plane(self.places))
        others = near.points != np.arange(len(self.places))[:, None]
        # Where more rows than are looked at share a place, a row may not be among its neighbours.
        others[others.all(axis=1), -1] = False
        shape = len(self.places), near.points.shape[1] - 1
        left = Neighbours(near.points[others].reshape(shape), near.squares[others].reshape(shape))
        return self._columns(self.places, left)

    def _on_plane(self, places: Matrix) -> tuple[Vector, Vector]:
        longitude, latitude = np.clip(places, -_FARTHEST, _FARTHEST).T
        return longitude * self._scale, latitude

    def _columns(self, places: Matrix, near: Neighbours) -> Matrix:
        """Sums are running sums: what is rounded, and how, is the same for any number of places."""
        count = near.points.shape[1]
        told = self.told.take(near.points, axis=0)
        target = told[:, :, 0]
        distances = np.sqrt(near.squares)
        weights = 1.0 / (distances + _ADDED)
        sums = np.cumsum(target, axis=1)
        weighted = np.cumsum(weights[:, :, None] * told, axis=1)
        weighted /= np.cumsum(weights, axis=1)[:, :, None]

        some = target[:, : min(_SPREAD, count)]
        ranked = np.sort(some, axis=1)
        half, odd = divmod(some.shape[1], 2)
        deviations = some - (sums[:, some.shape[1] - 1] / some.shape[1])[:, None]
        longitude, latitude = places.T
        return np.column_stack(
            [
                *(longitude * across + latitude * along for _, across, along in _AXES),
                target[:, 0],
                *(sums[:, min(k, count) - 1] / min(k, count) for k in _MEANS),
                *(weighted[:, min(k, count) - 1, 0] for k in _WEIGHTED),
                (ranked[:, half + odd - 1] + ranked[:, half]) / 2,
                np.sqrt(np.cumsum(deviations * deviations, axis=1)[:, -1] / some.shape[1]),
                *(target[:, : min(k, count)].min(axis=1) for k in _EXTREMES),
                *(target[:, : min(k, count)].max(axis=1) for k in _EXTREMES),
                *(distances[:, min(k, count) - 1] for k in _DISTANCES),
                *(weighted[:, min(k, count) - 1, 1:] for k in _OTHERS),
                *(_rates(weighted[:, min(k, count) - 1]) for k in _OTHERS),
            ]
        )


def _rates(means: Matrix) -> Matrix:
    """Return the target for each unit of the other columns, 0 where it cannot be told."""
    target, others = means[:, :1], means[:, 1:]
    rates = np.zeros(others.shape)
    defined = np.abs(others) > np.abs(target) / _LARGEST_RATE
    return np.divide(target, others, out=rates, where=defined)


def _against(own: Matrix, columns: Matrix) -> Matrix:
    """Turn the rates, which stand at the end of `columns`, into what they make of each row."""
    width = own.shape[1]
    if width:
        for end in range(columns.shape[1], columns.shape[1] - width * len(_OTHERS), -width):
            columns[:, end - width : end] *= own
    return columns


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    target, *others = names
    return (
        *(f"place along {degrees} degrees" for degrees, _, _ in _AXES),
        f"{target} of the nearest",
        *(f"{target}, mean of {k} nearest" for k in _MEANS),
        *(f"{target}, weighted mean of {k} nearest" for k in _WEIGHTED),
        f"{target}, median of {_SPREAD} nearest",
        f"{target}, spread of {_SPREAD} nearest",
        *(f"{target}, lowest of {k} nearest" for k in _EXTREMES),
        *(f"{target}, highest of {k} nearest" for k in _EXTREMES),
        *(f"distance to neighbour {k}" for k in _DISTANCES),
        *(f"{name}, weighted mean of {k} nearest" for k in _OTHERS for name in others),
        *(f"{target} of {k} nearest, by {name}" for k in _OTHERS for name in others),
    )
