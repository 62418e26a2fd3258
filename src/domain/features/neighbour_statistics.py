"""Statistics of the training rows nearest to a query point: target means, ratios and slopes.

Locations are longitude and latitude in degrees. Distances are measured in degrees of latitude;
longitudes are first scaled by the cosine of the median latitude of the training rows.

Statistics depend on the location alone, so they are computed once for each location and cached.
Ratios and slopes are then combined with the row's own values: the target per room among the
neighbours times the rooms of the row, and the regression line of target on rooms at the rooms of
the row.

A training row is not among its own neighbours (`fit_transform`): otherwise its target would be part
of its statistics.
"""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from functools import partial
from io import BytesIO
from math import cos, radians
from typing import Self, TypeAlias

import numpy as np
from numpy.lib import format as npy

from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, InvalidData
from domain.features.grid_index import Indices
from domain.features.location_cache import LocationCache
from domain.features.nearest_neighbours import NearestNeighbours, Neighbours
from domain.features.neighbour_parameters import CURRENT, NeighbourParameters

NEIGHBOURS = "neighbours.npy"

_FEWEST_ROWS = 2
_COORDINATES = 2

# Query points per block, so that the values of their neighbours fit the cache of a core.
_POINTS_PER_BLOCK = 256
# Neighbours found for each training row; subsampling drops some of them, by a fixed seed.
_CANDIDATES = 100
_SUBSAMPLING_SEED = 0


# From query points, shape (points, 2), to their statistics, shape (points, columns).
LocationStatistics: TypeAlias = Callable[[Matrix], Matrix]
# Returns another implementation of `NeighbourStatistics.compute`, equal to the last bit.
StatisticsCompiler: TypeAlias = Callable[["NeighbourStatistics"], LocationStatistics]


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourStatistics:
    """Locations and values of the training rows, the source of all neighbour statistics.

    `locations` has shape (rows, 2): longitude, latitude. `values` has shape (rows, names): the
    target, then the covariates. A `statistics_compiler` replaces `compute` by a faster function.
    """

    names: tuple[str, ...]
    locations: Matrix
    values: Matrix
    parameters: NeighbourParameters = CURRENT
    statistics_compiler: InitVar[StatisticsCompiler | None] = None
    columns: tuple[str, ...] = field(init=False)
    nearest: NearestNeighbours = field(init=False, repr=False)
    longitude_scale: float = field(init=False, repr=False)
    ridge: Vector = field(init=False, repr=False)
    _axes: tuple[Vector, Vector] = field(init=False, repr=False)
    _mean: slice = field(init=False, repr=False)
    _cache: LocationCache = field(init=False, repr=False)

    def __post_init__(self, statistics_compiler: StatisticsCompiler | None) -> None:
        # Adding 0.0 turns -0.0 into 0.0: which of the two sorts first depends on the algorithm.
        object.__setattr__(self, "values", self.values + 0.0)
        latitude = float(_median(self.locations[:, 1][None])[0, 0])
        object.__setattr__(self, "longitude_scale", max(round(cos(radians(latitude)), 3), 0.01))
        parameters = self.parameters
        nearest = NearestNeighbours.of(*self._project(self.locations), parameters.neighbours + 1)
        object.__setattr__(self, "nearest", nearest)
        columns = _column_names(self.names, parameters)
        mean = columns.index(f"{self.names[0]}, weighted mean of {parameters.neighbours} nearest")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_axes", parameters.axes)
        object.__setattr__(self, "_mean", slice(mean, mean + 1))
        with _overflow_allowed():
            variances = np.var(self.values[:, 1:], axis=0)
            object.__setattr__(self, "ridge", parameters.ridge_share * variances)
        compute = statistics_compiler(self) if statistics_compiler else self.compute
        object.__setattr__(self, "_cache", LocationCache(compute, len(self.columns)))

    @classmethod
    def fit_transform(
        cls,
        names: tuple[str, ...],
        locations: Matrix,
        values: Matrix,
        shares: tuple[float, ...] = (1.0,),
    ) -> tuple[Self, Matrix]:
        """Return the fitted statistics, and the columns of the training rows.

        No training row is among its own neighbours. The columns come once for each subsampling
        share: all rows by the first share, then all by the next. A share is the probability with
        which another row may be a neighbour, drawn for each row separately.

        Rows are kept sorted by location. Of rows at one location, the first given are the nearest.

        Raises:
            InvalidData: there are fewer than two rows.
        """
        if len(locations) < _FEWEST_ROWS:
            raise InvalidData(f"one row has no neighbours; allowed: {_FEWEST_ROWS} rows or more")
        locations = locations + 0.0
        order = np.lexsort(locations.T)
        fitted = cls(names, locations[order], values[order])
        columns = np.empty((len(shares), len(locations), len(fitted.columns)))
        near, random = (
            fitted._neighbours_of_training_rows(),
            np.random.RandomState(_SUBSAMPLING_SEED),
        )
        for block, share in zip(columns, shares, strict=True):
            chosen = _subsample(near, fitted.parameters.neighbours, share, random)
            block[order] = fitted._compute_in_blocks(fitted.locations, chosen)
            fitted._apply_own_values(np.tile(values[:, 1:], fitted.parameters.own_groups), block)
        return fitted, columns.reshape(-1, len(fitted.columns))

    def to_bytes(self) -> bytes:
        """Return locations and values as a .npy file: one float64 matrix, a line per row."""
        file = BytesIO()
        rows = np.ascontiguousarray(np.column_stack([self.locations, self.values]), dtype="<f8")
        npy.write_array(file, rows, version=(1, 0), allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_bytes(
        cls,
        names: tuple[str, ...],
        content: bytes,
        parameters: NeighbourParameters = CURRENT,
        statistics_compiler: StatisticsCompiler | None = None,
    ) -> Self:
        """Read what `to_bytes` wrote; nothing in the file is executed.

        Raises:
            ArtefactRejected: the content has another form.
        """
        file = BytesIO(content)
        try:
            version = npy.read_magic(file)
            shape, by_column, kind = npy.read_array_header_1_0(file)
        except ValueError as error:
            raise ArtefactRejected(f"{NEIGHBOURS} cannot be read: {error}") from error
        form = (version, by_column, kind, len(shape), shape[-1:])
        width = len(names) + _COORDINATES
        if form != ((1, 0), False, np.dtype("<f8"), 2, (width,)):
            raise ArtefactRejected(f"{NEIGHBOURS}: expected {width} float64 values per row")
        data = content[file.tell() :]
        if len(data) != shape[0] * shape[1] * kind.itemsize:
            raise ArtefactRejected(f"{NEIGHBOURS}: the content does not have {shape[0]} rows")
        rows = np.frombuffer(data, kind).astype(np.float64).reshape(shape)
        if len(rows) < _FEWEST_ROWS or not np.isfinite(rows).all():
            raise ArtefactRejected(f"{NEIGHBOURS}: expected {_FEWEST_ROWS} finite rows or more")
        locations, values = rows[:, :_COORDINATES], rows[:, _COORDINATES:]
        return cls(names, locations, values, parameters, statistics_compiler)

    def write(self, points: Matrix, own: Matrix, out: Matrix) -> None:
        """Write the columns of rows at query points to `out`, shape (rows, columns).

        `points` has shape (rows, 2). `own` holds the covariates of the rows, repeated side by side
        for each of the `own_groups`.
        """
        self._cache.write(points, out)
        self._apply_own_values(own, out)

    @property
    def own_covariates(self) -> tuple[str | None, ...]:
        """For each column the covariate of the row that it is combined with; None without one."""
        _, *covariates = self.names
        groups = self.parameters.own_groups
        before = len(self.columns) - groups * len(covariates)
        return (*[None] * before, *covariates * groups)

    def _apply_own_values(self, own: Matrix, columns: Matrix) -> None:
        """Replace the ratios and slopes, the last columns, by the targets they predict."""
        width = len(self.names) - 1
        groups = self.parameters.own_groups
        ratios, means, slopes = (
            columns.shape[1] - width * part for part in (groups, groups + 1, 1)
        )
        factors = own.copy()
        with _overflow_allowed():
            factors[:, width * (groups - 1) :] -= columns[:, means : means + width]
            columns[:, ratios:] *= factors
            columns[:, slopes:] += columns[:, self._mean]

    def compute(self, points: Matrix) -> Matrix:
        """Return the statistics of query points, shape (points, 2), without any cache.

        Ratios and slopes are not yet combined with the values of a row.
        """
        points = points + 0.0  # -0.0 becomes 0.0
        near = self.nearest(*self._project(points))
        return self._compute_in_blocks(points, near[:, : self.parameters.neighbours])

    def _neighbours_of_training_rows(self) -> Neighbours:
        """Return the candidates for neighbours of each training row: the nearest other rows."""
        x, y = self._project(self.locations)
        near = NearestNeighbours.of(x, y, _CANDIDATES + 1)(x, y)
        others = near.indices != np.arange(len(x))[:, None]
        # Where more rows share a location than are searched for, a row may not have found itself.
        others[others.all(axis=1), -1] = False
        shape = len(x), near.indices.shape[1] - 1
        return Neighbours(
            near.indices[others].reshape(shape), near.squared_distances[others].reshape(shape)
        )

    def _compute_in_blocks(self, points: Matrix, near: Neighbours) -> Matrix:
        if len(points) <= _POINTS_PER_BLOCK:
            with _overflow_allowed():
                return self._compute(points, near)
        columns = np.empty((len(points), len(self.columns)))
        for start in range(0, len(points), _POINTS_PER_BLOCK):
            block = slice(start, start + _POINTS_PER_BLOCK)
            columns[block] = self._compute_in_blocks(points[block], near[block])
        return columns

    def _project(self, locations: Matrix) -> tuple[Vector, Vector]:
        largest = self.parameters.largest_coordinate
        longitude, latitude = np.clip(locations, -largest, largest).T
        return longitude * self.longitude_scale, latitude

    def _compute(self, points: Matrix, near: Neighbours) -> Matrix:
        """Sums are cumulative sums: rounding is the same for any number of points."""
        parameters, (cosines, sines) = self.parameters, self._axes
        values = self.values.take(near.indices, axis=0)
        target, distances = values[:, :, 0], np.sqrt(near.squared_distances)
        weights = 1.0 / (distances + parameters.distance_offset)
        means = np.cumsum(weights[:, :, None] * values, axis=1)
        means /= np.cumsum(weights, axis=1)[:, :, None]
        first = target[:, : parameters.median_count]
        deviations = first - np.cumsum(first, axis=1)[:, -1:] / first.shape[1]
        squares = np.cumsum(deviations * deviations, axis=1)[:, -1]
        ranks = partial(_ranks, near.indices.shape[1])
        group_means = means.take(ranks(parameters.covariate_counts), axis=1)
        parts = (
            points[:, :1] * cosines + points[:, 1:] * sines,
            target[:, :1],
            means[:, :, 0].take(ranks(parameters.mean_counts), axis=1),
            _median(first),
            np.sqrt(squares / first.shape[1])[:, None],
            np.minimum.accumulate(target, axis=1).take(ranks(parameters.extreme_counts), axis=1),
            np.maximum.accumulate(target, axis=1).take(ranks(parameters.extreme_counts), axis=1),
            distances.take(ranks(parameters.distance_ranks), axis=1),
            group_means[:, :, 1:].reshape(len(points), -1),
            self._divided(group_means[..., :1], group_means[..., 1:]).reshape(len(points), -1),
            self._slopes(values, weights, means[:, -1]),
        )
        return np.concatenate(parts, axis=1)

    def _slopes(self, values: Matrix, weights: Vector, means: Matrix) -> Matrix:
        """Return the ridge regression slope of the target on each covariate, weighted."""
        differences = values - means[:, None]
        weighted = weights[:, :, None] * differences[:, :, 1:]
        covariances = np.cumsum(weighted * differences[:, :, :1], axis=1)[:, -1]
        variances = np.cumsum(weighted * differences[:, :, 1:], axis=1)[:, -1]
        variances += self.ridge * np.cumsum(weights, axis=1)[:, -1:]
        return self._divided(covariances, variances)

    def _divided(self, numerators: Matrix, denominators: Matrix) -> Matrix:
        """Return the quotients; 0 where a quotient is undefined or above the largest one."""
        quotients = np.zeros(denominators.shape)
        least = np.abs(numerators) / self.parameters.largest_quotient
        defined = np.abs(denominators) > least
        return np.divide(numerators, denominators, out=quotients, where=defined)


def _subsample(
    near: Neighbours, count: int, share: float, random: np.random.RandomState
) -> Neighbours:
    """Keep each candidate with probability `share`; return the `count` nearest that are kept."""
    dropped = random.random_sample(near.indices.shape) >= share
    dropped[:, -count:] = False
    chosen = np.argsort(dropped, axis=1, kind="stable")[:, :count]
    return Neighbours(
        np.take_along_axis(near.indices, chosen, axis=1),
        np.take_along_axis(near.squared_distances, chosen, axis=1),
    )


def _overflow_allowed() -> np.errstate:
    """Values near the largest float64 may become infinite; the estimator rejects them."""
    return np.errstate(over="ignore", invalid="ignore")


def _ranks(count: int, wanted: tuple[int, ...]) -> Indices:
    """Return the positions of the neighbours of these ranks; the last one if there are fewer."""
    return np.minimum(wanted, count) - 1


def _median(values: Matrix) -> Matrix:
    """Return the median of each row, shape (rows, 1); `np.median` imports more of numpy."""
    ranked = np.sort(values, axis=1)
    half, odd = divmod(values.shape[1], 2)
    return (ranked[:, half + odd - 1, None] + ranked[:, half, None]) / 2


def _column_names(names: tuple[str, ...], parameters: NeighbourParameters) -> tuple[str, ...]:
    """Return the names of the columns, as they are stored in bundles."""
    target, *covariates = names
    p, shared = parameters, parameters.covariate_counts
    return (
        *(f"place along {degrees} degrees" for degrees in p.rotations),
        f"{target} of the nearest",
        *(f"{target}, weighted mean of {k} nearest" for k in p.mean_counts),
        f"{target}, median of {p.median_count} nearest",
        f"{target}, spread of {p.median_count} nearest",
        *(f"{target}, lowest of {k} nearest" for k in p.extreme_counts),
        *(f"{target}, highest of {k} nearest" for k in p.extreme_counts),
        *(f"distance to neighbour {k}" for k in p.distance_ranks),
        *(
            f"{name}, weighted mean of {k} nearest"
            for k in p.covariate_counts
            for name in covariates
        ),
        *(f"{target} of {k} nearest, by {name}" for k in shared for name in covariates),
        *(f"{target} of {p.neighbours} nearest, along {name}" for name in covariates),
    )
