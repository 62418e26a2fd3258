"""LLVM code that computes what `NeighbourStatistics.compute` computes, to the last bit.

For one query point numpy takes about 200 µs, nearly all of it the cost of some seventy calls on
arrays of a few numbers. This code is plain loops over these numbers.

It follows `nearest_neighbours` and `neighbour_statistics` of the domain number by number, in the
same order, without fused or reordered operations. Only the choice of the nearest among the compared
points differs: each is inserted into a sorted list behind its equals, as a stable sort orders them.

Cumulative sums begin at -0.0, which leaves the first number unchanged; 0.0 turns -0.0 into 0.0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir

from adapters.llvm.ir_builder import (
    FLOAT64,
    INT64,
    at,
    build_function,
    counting,
    greater,
    lesser,
    load,
    magnitude,
    number,
    root,
    whole,
)
from adapters.llvm.knn_kernel import KnnSearch, Ranking
from domain.features.neighbour_parameters import NeighbourParameters

NAME = "neighbour_statistics"

# The fields of the first argument, in order; `adapters.llvm.neighbour_runtime` fills them.
FIELDS = {
    "left": FLOAT64,
    "bottom": FLOAT64,
    "side": FLOAT64,
    "scale": FLOAT64,
    "columns": INT64,
    "rows": INT64,
    "k": INT64,
    "width": INT64,
    "x": FLOAT64.as_pointer(),
    "y": FLOAT64.as_pointer(),
    "indices": INT64.as_pointer(),
    "starts": INT64.as_pointer(),
    "radius": INT64.as_pointer(),
    "values": FLOAT64.as_pointer(),
    "ridge": FLOAT64.as_pointer(),
}


def columns_for(width: int, parameters: NeighbourParameters) -> int:
    """Return the number of columns per query point, for training rows of `width` values."""
    p = parameters
    of_target = (*p.mean_counts, *p.extreme_counts, *p.extreme_counts, *p.distance_ranks)
    once = len(p.rotations) + len(of_target) + 3
    return once + (width - 1) * (2 * len(p.covariate_counts) + 1)


def kernel(parameters: NeighbourParameters) -> str:
    """Return the module with the function `NAME(arrays, points, count, scratch, out)`.

    It reads `count` > 0 longitudes and latitudes in C order and writes a row of columns for each;
    `scratch` holds (`parameters.neighbours` + 1) × width numbers.
    """

    def write(*made: Any) -> None:
        _StatisticsBuilder(parameters, *made).write()

    return build_function(NAME, FIELDS, FLOAT64, write)


class _StatisticsBuilder:
    """Builds the function; `f` are the fields of its first argument."""

    def __init__(
        self,
        parameters: NeighbourParameters,
        build: ir.IRBuilder,
        f: Mapping[str, Any],
        arguments: Sequence[Any],
    ) -> None:
        self.parameters, self.build, self.f = parameters, build, f
        self.points, self.count, self.sums, self.out = arguments
        slots = parameters.neighbours + 1
        self.search = KnnSearch(build, self.f, slots)
        self.targets = Ranking(build, slots)
        self.distances, self.weights = (build.alloca(FLOAT64, whole(slots)) for _ in range(2))
        # Cumulative over the neighbours; element 0 is the value for no neighbours.
        self.weight_sums, self.target_sums, self.lowest, self.highest = (
            build.alloca(FLOAT64, whole(slots)) for _ in range(4)
        )
        self.position = build.alloca(INT64)  # of the next number in `out`
        self.covariance, self.variance = (build.alloca(FLOAT64) for _ in range(2))

    def write(self) -> None:
        build = self.build
        build.store(whole(0), self.position)
        with counting(build, self.count) as point:
            first = build.shl(point, whole(1))
            zero = number(0.0)
            longitude = build.fadd(load(build, self.points, first), zero)
            second = build.add(first, whole(1))
            latitude = build.fadd(load(build, self.points, second), zero)
            self.search.write(
                build.fmul(self._clipped(longitude), self.f["scale"]), self._clipped(latitude)
            )
            self._accumulate()
            self._write_rotations(longitude, latitude)
            self._write_target()
            self._write_covariates()
            self._write_slopes()

    def _clipped(self, degrees: Any) -> Any:
        build, largest = self.build, self.parameters.largest_coordinate
        low, high = number(-largest), number(largest)
        degrees = build.select(build.fcmp_ordered("<", degrees, low), low, degrees)
        return build.select(build.fcmp_ordered(">", degrees, high), high, degrees)

    def _accumulate(self) -> None:
        """Store distances, weights and cumulative sums of the neighbours."""
        build, f = self.build, self.f
        for sums in (self.weight_sums, self.target_sums):
            build.store(number(-0.0), sums)
        build.store(number(float("inf")), self.lowest)
        build.store(number(float("-inf")), self.highest)
        with counting(build, f["width"]) as name:
            build.store(number(-0.0), at(build, self.sums, name))
        with counting(build, f["k"]) as slot:
            following = build.add(slot, whole(1))
            distance = root(build, load(build, self.search.nearest.keys, slot))
            weight = build.fdiv(
                number(1.0), build.fadd(distance, number(self.parameters.distance_offset))
            )
            build.store(distance, at(build, self.distances, slot))
            build.store(weight, at(build, self.weights, slot))
            values = self._values(slot)
            target = load(build, values, whole(0))
            for cumulative, value in (
                (self.weight_sums, build.fadd(load(build, self.weight_sums, slot), weight)),
                (self.target_sums, build.fadd(load(build, self.target_sums, slot), target)),
                (self.lowest, lesser(build, load(build, self.lowest, slot), target)),
                (self.highest, greater(build, load(build, self.highest, slot), target)),
            ):
                build.store(value, at(build, cumulative, following))
            before = at(build, self.sums, build.mul(slot, f["width"]))
            after = at(build, self.sums, build.mul(following, f["width"]))
            with counting(build, f["width"]) as name:
                value = build.fmul(weight, load(build, values, name))
                value = build.fadd(load(build, before, name), value)
                build.store(value, at(build, after, name))

    def _write_rotations(self, longitude: Any, latitude: Any) -> None:
        build = self.build
        cosines, sines = self.parameters.axes
        for cosine, sine in zip(cosines.tolist(), sines.tolist(), strict=True):
            east, north = number(cosine), number(sine)
            self._put(build.fadd(build.fmul(longitude, east), build.fmul(latitude, north)))

    def _write_target(self) -> None:
        """Write means, median, standard deviation and extremes of the target, and distances."""
        build = self.build
        self._put(load(build, self._values(whole(0)), whole(0)))
        for count in self._counts(self.parameters.mean_counts):
            self._put(self._mean(count, whole(0)))
        self._write_median_and_deviation()
        for extremes in (self.lowest, self.highest):
            for count in self._counts(self.parameters.extreme_counts):
                self._put(load(build, extremes, count))
        for count in self._counts(self.parameters.distance_ranks):
            self._put(load(build, self.distances, build.sub(count, whole(1))))

    def _write_median_and_deviation(self) -> None:
        build = self.build
        (count,) = self._counts((self.parameters.median_count,))
        rows = build.sitofp(count, FLOAT64)
        mean = build.fdiv(load(build, self.target_sums, count), rows)
        build.store(number(-0.0), self.variance)
        self.targets.clear(count)
        with counting(build, count) as slot:
            target = load(build, self._values(slot), whole(0))
            self.targets.insert(count, target, slot)
            deviation = build.fsub(target, mean)
            square = build.fmul(deviation, deviation)
            build.store(build.fadd(build.load(self.variance), square), self.variance)
        upper = build.lshr(count, whole(1))
        lower = build.lshr(build.sub(count, whole(1)), whole(1))
        both = build.fadd(
            load(build, self.targets.keys, lower), load(build, self.targets.keys, upper)
        )
        self._put(build.fdiv(both, number(2.0)))
        self._put(root(build, build.fdiv(build.load(self.variance), rows)))

    def _write_covariates(self) -> None:
        """Write the weighted means of the covariates, then target mean / covariate mean."""
        for count in self._counts(self.parameters.covariate_counts):
            with self._each_covariate() as covariate:
                self._put(self._mean(count, covariate))
        for count in self._counts(self.parameters.covariate_counts):
            target = self._mean(count, whole(0))
            with self._each_covariate() as covariate:
                self._put(self._divided(target, self._mean(count, covariate)))

    def _write_slopes(self) -> None:
        """Write the ridge regression slope of the target on each covariate, weighted."""
        build, f = self.build, self.f
        target_mean = self._mean(f["k"], whole(0))
        with self._each_covariate() as covariate:
            mean = self._mean(f["k"], covariate)
            build.store(number(-0.0), self.covariance)
            build.store(number(-0.0), self.variance)
            with counting(build, f["k"]) as slot:
                values = self._values(slot)
                difference = build.fsub(load(build, values, covariate), mean)
                weighted = build.fmul(load(build, self.weights, slot), difference)
                target = build.fsub(load(build, values, whole(0)), target_mean)
                for total, factor in ((self.covariance, target), (self.variance, difference)):
                    build.store(build.fadd(build.load(total), build.fmul(weighted, factor)), total)
            ridge = load(build, f["ridge"], build.sub(covariate, whole(1)))
            ridge = build.fmul(ridge, load(build, self.weight_sums, f["k"]))
            variance = build.fadd(build.load(self.variance), ridge)
            self._put(self._divided(build.load(self.covariance), variance))

    def _each_covariate(self) -> Any:
        return counting(self.build, self.f["width"], first=1)

    def _values(self, slot: Any) -> Any:
        """Return a pointer to the values of a neighbour."""
        build, f = self.build, self.f
        row = load(build, f["indices"], load(build, self.search.nearest.tags, slot))
        return at(build, f["values"], build.mul(row, f["width"]))

    def _mean(self, count: Any, name: Any) -> Any:
        """Return the weighted mean of one value over the `count` nearest."""
        build = self.build
        sums = build.add(build.mul(count, self.f["width"]), name)
        return build.fdiv(load(build, self.sums, sums), load(build, self.weight_sums, count))

    def _counts(self, wanted: Sequence[int]) -> list[Any]:
        """Return numbers of neighbours, at most as many as there are."""
        build, k = self.build, self.f["k"]
        fewer = [build.icmp_signed("<", whole(count), k) for count in wanted]
        return [build.select(f, whole(n), k) for f, n in zip(fewer, wanted, strict=True)]

    def _divided(self, numerator: Any, denominator: Any) -> Any:
        """Return a quotient, or 0 where it is undefined."""
        build = self.build
        least = build.fdiv(magnitude(build, numerator), number(self.parameters.largest_quotient))
        defined = build.fcmp_ordered(">", magnitude(build, denominator), least)
        return build.select(defined, build.fdiv(numerator, denominator), number(0.0))

    def _put(self, value: Any) -> None:
        build = self.build
        position = build.load(self.position)
        build.store(value, at(build, self.out, position))
        build.store(build.add(position, whole(1)), self.position)
