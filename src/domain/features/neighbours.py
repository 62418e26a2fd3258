"""What the training rows nearest to a place are like: above all, what they cost.

A place is a longitude and a latitude in degrees. A degree of longitude is shorter than one of
latitude: distances are measured in degrees of latitude, on a plane on which a degree of longitude
is as long as it is at the median latitude of the training rows.

What is told of a place depends on nothing but the place, so it is worked out once for each. Only
then is it held against the row itself: what do neighbours cost for each room of theirs, times the
rooms of this one? And what would they cost if they had as many rooms, by the slope among them?

Training rows themselves are described as if they were not there (`learn`): a row that saw its own
price among its neighbours' would teach the estimator to trust that price.
"""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from functools import partial
from io import BytesIO
from math import cos, radians, sin
from typing import Self, TypeAlias

import numpy as np
from numpy.lib import format as npy

from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, InvalidData
from domain.features.grid_index import Whole
from domain.features.knn import NearestNeighbours, Neighbours
from domain.features.location_cache import LocationCache

NEIGHBOURS = "neighbours.npy"


WEIGHTED = (5, 10, 30)
OTHERS = (30,)
# A row's own numbers are held against the rates of these groups, and against the slopes.
_RATES = len(OTHERS)
AGAINST = _RATES + 1
DISTANCES = (1, 5, 30)
SPREAD = 10
EXTREMES = (10,)
MOST = 30
_FEWEST = 2
_PLACE = 2

# A neighbour counts by one over its distance, to which some 500 m are added, in degrees.
ADDED = 0.005
FARTHEST = 1e9
# Few enough places at a time for their neighbours to stay in the cache of a core.
_PLACES_AT_ONCE = 256
LARGEST_RATE = 1e200
# So many are found for a training row, of whom some may be passed over: always the same ones.
_FOUND = 100
_PASSED_OVER = 0
# A slope is drawn towards 0 as if neighbours differed by so much more of the variance of all rows.
_FLATTER = 0.05
_AXES = (30, 60, 120, 150)
ACROSS = np.array([round(cos(radians(degrees)), 6) for degrees in _AXES])
ALONG = np.array([round(sin(radians(degrees)), 6) for degrees in _AXES])


# From places, shape (places, 2), to what is told of them, shape (places, columns).
LocationStatistics: TypeAlias = Callable[[Matrix], Matrix]
# Another way to do what `Surroundings.survey` does, to the last bit.
StatisticsCompiler: TypeAlias = Callable[["NeighbourStatistics"], LocationStatistics]


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourStatistics:
    """The training rows by place, and what is told of them to their neighbours.

    `places` are longitudes and latitudes, shape (rows, 2); `told` has the shape (rows, names), and
    its first column is the target. A `statistics_compiler` may tell of places in place of `survey`.
    """

    names: tuple[str, ...]
    places: Matrix
    told: Matrix
    statistics_compiler: InitVar[StatisticsCompiler | None] = None
    columns: tuple[str, ...] = field(init=False)
    nearest: NearestNeighbours = field(init=False, repr=False)
    scale: float = field(init=False, repr=False)
    _mean: slice = field(init=False, repr=False)
    flatter: Vector = field(init=False, repr=False)
    _memo: LocationCache = field(init=False, repr=False)

    def __post_init__(self, statistics_compiler: StatisticsCompiler | None) -> None:
        # Of the two zeros only one is left: which is the lower one depends on who sorts them.
        object.__setattr__(self, "told", self.told + 0.0)
        latitude = float(_median(self.places[:, 1][None])[0, 0])
        object.__setattr__(self, "scale", max(round(cos(radians(latitude)), 3), 0.01))
        object.__setattr__(
            self, "nearest", NearestNeighbours.of(*self._on_plane(self.places), MOST + 1)
        )
        columns = _names(self.names)
        mean = columns.index(f"{self.names[0]}, weighted mean of {MOST} nearest")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_mean", slice(mean, mean + 1))
        with _extremes():
            object.__setattr__(self, "flatter", _FLATTER * np.var(self.told[:, 1:], axis=0))
        survey = statistics_compiler(self) if statistics_compiler else self.survey
        object.__setattr__(self, "_memo", LocationCache(survey, len(self.columns)))

    @classmethod
    def learn(
        cls,
        names: tuple[str, ...],
        places: Matrix,
        told: Matrix,
        shares: tuple[float, ...] = (1.0,),
    ) -> tuple[Self, Matrix]:
        """Return the surroundings, and the columns of each training row as if it were not there.

        Rows are kept sorted by place. Of rows in one place, those given first are the nearest ones.
        The columns are told once for each of the `shares`, all rows by the first, then all by the
        next: as if each of the others were there with that probability, anew for each row.

        Raises:
            InvalidData: there are fewer than two rows.
        """
        if len(places) < _FEWEST:
            raise InvalidData(f"one row has no neighbours; allowed: {_FEWEST} rows or more")
        places = places + 0.0
        order = np.lexsort(places.T)
        learnt = cls(names, places[order], told[order])
        columns = np.empty((len(shares), len(places), len(learnt.columns)))
        near, random = learnt._of_training_rows(), np.random.RandomState(_PASSED_OVER)
        for described, share in zip(columns, shares, strict=True):
            some = _some_of(near, share, random)
            described[order] = learnt._in_parts(learnt.places, some.points, some.squares)
            learnt._hold_against(np.tile(told[:, 1:], AGAINST), described)
        return learnt, columns.reshape(-1, len(learnt.columns))

    def to_bytes(self) -> bytes:
        """Return the rows as a file of numpy: a matrix of places and what is told, in float64."""
        file = BytesIO()
        rows = np.ascontiguousarray(np.column_stack([self.places, self.told]), dtype="<f8")
        npy.write_array(file, rows, version=(1, 0), allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_bytes(
        cls,
        names: tuple[str, ...],
        content: bytes,
        statistics_compiler: StatisticsCompiler | None = None,
    ) -> Self:
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
        return cls(names, rows[:, :_PLACE], rows[:, _PLACE:], statistics_compiler)

    def describe(self, places: Matrix, own: Matrix, out: Matrix) -> None:
        """Write the columns for some rows to `out`, shape (rows, columns).

        `places` has the shape (rows, 2); `own` is what is told of these rows but for the target,
        `AGAINST` times, one after another.
        """
        self._memo.write(places, out)
        self._hold_against(own, out)

    def _hold_against(self, own: Matrix, columns: Matrix) -> None:
        """Turn rates and slopes, which stand at the end, into what they make of each row."""
        width = len(self.names) - 1
        rates, means, slopes = (
            columns.shape[1] - width * part for part in (AGAINST, AGAINST + 1, 1)
        )
        against = own.copy()
        with _extremes():
            against[:, width * _RATES :] -= columns[:, means : means + width]
            columns[:, rates:] *= against
            columns[:, slopes:] += columns[:, self._mean]

    def survey(self, places: Matrix) -> Matrix:
        """Return what is told of places, shape (places, 2): all columns but for rates and slopes.

        These are as they are before a row is held against them.
        """
        places = places + 0.0  # of the two zeros there are, only one is left
        near = self.nearest(*self._on_plane(places))
        return self._in_parts(places, near.points[:, :MOST], near.squares[:, :MOST])

    def _of_training_rows(self) -> Neighbours:
        """Return the others that are nearest to each row, more than are told of."""
        x, y = self._on_plane(self.places)
        near = NearestNeighbours.of(x, y, _FOUND + 1)(x, y)
        others = near.points != np.arange(len(x))[:, None]
        # Where more rows than are looked at share a place, a row may not be among its neighbours.
        others[others.all(axis=1), -1] = False
        shape = len(x), near.points.shape[1] - 1
        return Neighbours(near.points[others].reshape(shape), near.squares[others].reshape(shape))

    def _in_parts(self, places: Matrix, points: Whole, squares: Vector) -> Matrix:
        if len(places) <= _PLACES_AT_ONCE:
            with _extremes():
                return self._columns(places, Neighbours(points, squares))
        columns = np.empty((len(places), len(self.columns)))
        for start in range(0, len(places), _PLACES_AT_ONCE):
            part = slice(start, start + _PLACES_AT_ONCE)
            columns[part] = self._in_parts(places[part], points[part], squares[part])
        return columns

    def _on_plane(self, places: Matrix) -> tuple[Vector, Vector]:
        longitude, latitude = np.clip(places, -FARTHEST, FARTHEST).T
        return longitude * self.scale, latitude

    @property
    def held_against(self) -> tuple[str | None, ...]:
        """For each column the name of the row's own value that it is held against, if any."""
        _, *others = self.names
        plain = len(self.columns) - AGAINST * len(others)
        return (*[None] * plain, *others * AGAINST)

    def _columns(self, places: Matrix, near: Neighbours) -> Matrix:
        """Sums are running sums: what is rounded, and how, is the same for any number of places."""
        told = self.told.take(near.points, axis=0)
        target, distances = told[:, :, 0], np.sqrt(near.squares)
        weights = 1.0 / (distances + ADDED)
        weighted = np.cumsum(weights[:, :, None] * told, axis=1)
        weighted /= np.cumsum(weights, axis=1)[:, :, None]
        first = target[:, :SPREAD]
        deviations = first - np.cumsum(first, axis=1)[:, -1:] / first.shape[1]
        squares = np.cumsum(deviations * deviations, axis=1)[:, -1]
        among = partial(_among, near.points.shape[1])
        others = weighted.take(among(OTHERS), axis=1)
        parts = (
            places[:, :1] * ACROSS + places[:, 1:] * ALONG,
            target[:, :1],
            weighted[:, :, 0].take(among(WEIGHTED), axis=1),
            _median(first),
            np.sqrt(squares / first.shape[1])[:, None],
            np.minimum.accumulate(target, axis=1).take(among(EXTREMES), axis=1),
            np.maximum.accumulate(target, axis=1).take(among(EXTREMES), axis=1),
            distances.take(among(DISTANCES), axis=1),
            others[:, :, 1:].reshape(len(places), -1),
            _rates(others).reshape(len(places), -1),
            self._slopes(told, weights, weighted[:, -1]),
        )
        return np.concatenate(parts, axis=1)

    def _slopes(self, told: Matrix, weights: Vector, means: Matrix) -> Matrix:
        """Return by how much the target goes up with each of the others, among the neighbours."""
        differences = told - means[:, None]
        weighted = weights[:, :, None] * differences[:, :, 1:]
        covariances = np.cumsum(weighted * differences[:, :, :1], axis=1)[:, -1]
        variances = np.cumsum(weighted * differences[:, :, 1:], axis=1)[:, -1]
        variances += self.flatter * np.cumsum(weights, axis=1)[:, -1:]
        return _divided(covariances, variances)


def _some_of(near: Neighbours, share: float, random: np.random.RandomState) -> Neighbours:
    """Return as many neighbours as are told of, each of those found with a probability."""
    passed = random.random_sample(near.points.shape) >= share
    passed[:, -MOST:] = False
    chosen = np.argsort(passed, axis=1, kind="stable")[:, :MOST]
    return Neighbours(
        np.take_along_axis(near.points, chosen, axis=1),
        np.take_along_axis(near.squares, chosen, axis=1),
    )


def _extremes() -> np.errstate:
    """What is near the largest float64 may become infinite; an estimator will say so."""
    return np.errstate(over="ignore", invalid="ignore")


def _among(count: int, wanted: tuple[int, ...]) -> Whole:
    """Return the positions of neighbours by number, that of the last where there are fewer."""
    return np.minimum(wanted, count) - 1


def _median(values: Matrix) -> Matrix:
    """Return the median of each row of some, shape (rows, 1); `np.median` would import more."""
    ranked = np.sort(values, axis=1)
    half, odd = divmod(values.shape[1], 2)
    return (ranked[:, half + odd - 1, None] + ranked[:, half, None]) / 2


def _rates(means: Matrix) -> Matrix:
    """Return the target for each unit of the others, or 0; columns are on the last axis."""
    return _divided(means[..., :1], means[..., 1:])


def _divided(numerators: Matrix, denominators: Matrix) -> Matrix:
    quotients = np.zeros(denominators.shape)
    defined = np.abs(denominators) > np.abs(numerators) / LARGEST_RATE
    return np.divide(numerators, denominators, out=quotients, where=defined)


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    target, *others = names
    return (
        *(f"place along {degrees} degrees" for degrees in _AXES),
        f"{target} of the nearest",
        *(f"{target}, weighted mean of {k} nearest" for k in WEIGHTED),
        f"{target}, median of {SPREAD} nearest",
        f"{target}, spread of {SPREAD} nearest",
        *(f"{target}, lowest of {k} nearest" for k in EXTREMES),
        *(f"{target}, highest of {k} nearest" for k in EXTREMES),
        *(f"distance to neighbour {k}" for k in DISTANCES),
        *(f"{name}, weighted mean of {k} nearest" for k in OTHERS for name in others),
        *(f"{target} of {k} nearest, by {name}" for k in OTHERS for name in others),
        *(f"{target} of {MOST} nearest, along {name}" for name in others),
    )
