"""The code that tells of a place what `Surroundings.survey` does, written in LLVM's own language.

For one place that is asked for the first time, numpy takes some 200 µs, nearly all of them to begin
some seventy operations on arrays of a few numbers. Here it is loops over these numbers.

It does what `domain.features.knn` and `domain.features.neighbours` do, number by number and in
the same order,
without fused or reordered operations: its answers are theirs to the last bit. Only the search
differs, in how the nearest are chosen among the points that are compared: each is inserted into
the list of those found so far, behind those that are as near, as a stable sort would have it.

Running sums begin at -0.0: unlike 0.0, it leaves every first number as it is.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from adapters.llvm.ir_builder import (
    FLOAT64,
    INT32,
    INT64,
    at,
    counting,
    greater,
    lesser,
    load,
    number,
    root,
    size,
    whole,
)
from adapters.llvm.knn_kernel import KnnSearch, Ranking
from domain.features import neighbours as told_of

NAME = "survey"

# The fields of what is surveyed, in order: see `adapters.llvm.neighbour_runtime`, which fills them.
FIELDS = {
    "left": FLOAT64,
    "bottom": FLOAT64,
    "side": FLOAT64,
    "scale": FLOAT64,
    "columns": INT64,
    "rows": INT64,
    "most": INT64,
    "width": INT64,
    "x": FLOAT64.as_pointer(),
    "y": FLOAT64.as_pointer(),
    "points": INT64.as_pointer(),
    "starts": INT64.as_pointer(),
    "radius": INT64.as_pointer(),
    "told": FLOAT64.as_pointer(),
    "flatter": FLOAT64.as_pointer(),
}

_SLOTS = told_of.MOST + 1


def columns_for(width: int) -> int:
    """Return how many columns it writes of a place, where neighbours are told `width` numbers."""
    plain = (*told_of.WEIGHTED, *told_of.EXTREMES, *told_of.EXTREMES)
    once = len(told_of.ACROSS) + len(plain) + len(told_of.DISTANCES) + 3
    return once + (width - 1) * (2 * len(told_of.OTHERS) + 1)


def kernel() -> str:
    """Return the module with the function `survey(surveyed, places, count, scratch, out)`.

    It reads `count` > 0 longitudes and latitudes in C order and writes a row of columns for each;
    `scratch` are (`MOST` + 1) × width numbers.
    """
    module = ir.Module("surroundings")
    surveyed = ir.LiteralStructType(FIELDS.values())
    arguments = [
        surveyed.as_pointer(),
        FLOAT64.as_pointer(),
        INT64,
        FLOAT64.as_pointer(),
        FLOAT64.as_pointer(),
    ]
    survey = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), NAME)
    for argument in survey.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    build = ir.IRBuilder(survey.append_basic_block("start"))
    _Survey(build, survey).write()
    return str(module)


class _Survey:
    """The parts of the function; `f` are the fields of what is surveyed."""

    def __init__(self, build: ir.IRBuilder, survey: ir.Function) -> None:
        self.build = build
        surveyed, self.places, self.count, self.sums, self.out = survey.args
        self.f = {
            name: build.load(build.gep(surveyed, [whole(0), ir.Constant(INT32, position)]))
            for position, name in enumerate(FIELDS)
        }
        # Of the nearest, nearest first; then running sums, of which the first is that of none.
        self.search = KnnSearch(build, self.f, _SLOTS)
        self.costs = Ranking(build, _SLOTS)
        self.distances, self.weights = (build.alloca(FLOAT64, whole(_SLOTS)) for _ in range(2))
        self.weighed, self.targets, self.lowest, self.highest = (
            build.alloca(FLOAT64, whole(_SLOTS)) for _ in range(4)
        )
        self.place = build.alloca(INT64)  # of the next number in `out`
        self.total, self.together = (build.alloca(FLOAT64) for _ in range(2))

    def write(self) -> None:
        build = self.build
        build.store(whole(0), self.place)
        with counting(build, self.count) as place:
            first = build.shl(place, whole(1))
            zero = number(0.0)
            longitude = build.fadd(load(build, self.places, first), zero)
            second = build.add(first, whole(1))
            latitude = build.fadd(load(build, self.places, second), zero)
            self.search.write(
                build.fmul(self._near(longitude), self.f["scale"]), self._near(latitude)
            )
            self._add_up()
            self._tell_place(longitude, latitude)
            self._tell_target()
            self._tell_others()
            self._tell_slopes()
        build.ret_void()

    def _near(self, degrees: Any) -> Any:
        """Return a coordinate that is not farther away than can be told."""
        build, low, high = self.build, number(-told_of.FARTHEST), number(told_of.FARTHEST)
        degrees = build.select(build.fcmp_ordered("<", degrees, low), low, degrees)
        return build.select(build.fcmp_ordered(">", degrees, high), high, degrees)

    def _add_up(self) -> None:
        """Write distances, weights and running sums of the nearest."""
        build, f = self.build, self.f
        for sums in (self.weighed, self.targets):
            build.store(number(-0.0), sums)
        build.store(number(float("inf")), self.lowest)
        build.store(number(float("-inf")), self.highest)
        with counting(build, f["width"]) as name:
            build.store(number(-0.0), at(build, self.sums, name))
        with counting(build, f["most"]) as slot:
            following = build.add(slot, whole(1))
            distance = root(build, load(build, self.search.nearest.keys, slot))
            weight = build.fdiv(number(1.0), build.fadd(distance, number(told_of.ADDED)))
            build.store(distance, at(build, self.distances, slot))
            build.store(weight, at(build, self.weights, slot))
            told = self._told(slot)
            target = load(build, told, whole(0))
            for running, value in (
                (self.weighed, build.fadd(load(build, self.weighed, slot), weight)),
                (self.targets, build.fadd(load(build, self.targets, slot), target)),
                (self.lowest, lesser(build, load(build, self.lowest, slot), target)),
                (self.highest, greater(build, load(build, self.highest, slot), target)),
            ):
                build.store(value, at(build, running, following))
            before = at(build, self.sums, build.mul(slot, f["width"]))
            after = at(build, self.sums, build.mul(following, f["width"]))
            with counting(build, f["width"]) as name:
                value = build.fmul(weight, load(build, told, name))
                value = build.fadd(load(build, before, name), value)
                build.store(value, at(build, after, name))

    def _tell_place(self, longitude: Any, latitude: Any) -> None:
        build = self.build
        axes = zip(told_of.ACROSS.tolist(), told_of.ALONG.tolist(), strict=True)
        for across, along in axes:
            east, north = number(across), number(along)
            self._put(build.fadd(build.fmul(longitude, east), build.fmul(latitude, north)))

    def _tell_target(self) -> None:
        """Write what the nearest cost (means, median, spread, extremes), and how far they are."""
        build = self.build
        self._put(load(build, self._told(whole(0)), whole(0)))
        for count in self._among(told_of.WEIGHTED):
            self._put(self._mean(count, whole(0)))
        self._tell_median_and_spread()
        for extremes in (self.lowest, self.highest):
            for count in self._among(told_of.EXTREMES):
                self._put(load(build, extremes, count))
        for count in self._among(told_of.DISTANCES):
            self._put(load(build, self.distances, build.sub(count, whole(1))))

    def _tell_median_and_spread(self) -> None:
        build = self.build
        (count,) = self._among((told_of.SPREAD,))
        many = build.sitofp(count, FLOAT64)
        mean = build.fdiv(load(build, self.targets, count), many)
        build.store(number(-0.0), self.total)
        self.costs.clear(count)
        with counting(build, count) as slot:
            target = load(build, self._told(slot), whole(0))
            self.costs.insert(count, target, slot)
            deviation = build.fsub(target, mean)
            square = build.fmul(deviation, deviation)
            build.store(build.fadd(build.load(self.total), square), self.total)
        upper = build.lshr(count, whole(1))
        lower = build.lshr(build.sub(count, whole(1)), whole(1))
        both = build.fadd(load(build, self.costs.keys, lower), load(build, self.costs.keys, upper))
        self._put(build.fdiv(both, number(2.0)))
        self._put(root(build, build.fdiv(build.load(self.total), many)))

    def _tell_others(self) -> None:
        """Write the weighted means of the other numbers, and the target for each unit of them."""
        for count in self._among(told_of.OTHERS):
            with self._each_other() as other:
                self._put(self._mean(count, other))
        for count in self._among(told_of.OTHERS):
            target = self._mean(count, whole(0))
            with self._each_other() as other:
                self._put(self._divided(target, self._mean(count, other)))

    def _tell_slopes(self) -> None:
        """Write by how much the target goes up with each of the others, among the nearest."""
        build, f = self.build, self.f
        together, apart = self.together, self.total
        center = self._mean(f["most"], whole(0))
        with self._each_other() as other:
            mean = self._mean(f["most"], other)
            build.store(number(-0.0), together)
            build.store(number(-0.0), apart)
            with counting(build, f["most"]) as slot:
                told = self._told(slot)
                difference = build.fsub(load(build, told, other), mean)
                weighted = build.fmul(load(build, self.weights, slot), difference)
                target = build.fsub(load(build, told, whole(0)), center)
                for total, by in ((together, target), (apart, difference)):
                    build.store(build.fadd(build.load(total), build.fmul(weighted, by)), total)
            flatter = load(build, f["flatter"], build.sub(other, whole(1)))
            flatter = build.fmul(flatter, load(build, self.weighed, f["most"]))
            self._put(self._divided(build.load(together), build.fadd(build.load(apart), flatter)))

    def _each_other(self) -> Any:
        return counting(self.build, self.f["width"], first=1)

    def _told(self, slot: Any) -> Any:
        """Return a pointer to what one of the nearest is told."""
        build, f = self.build, self.f
        point = load(build, f["points"], load(build, self.search.nearest.tags, slot))
        return at(build, f["told"], build.mul(point, f["width"]))

    def _mean(self, count: Any, name: Any) -> Any:
        """Return the weighted mean of one number among the `count` nearest."""
        build = self.build
        sums = build.add(build.mul(count, self.f["width"]), name)
        return build.fdiv(load(build, self.sums, sums), load(build, self.weighed, count))

    def _among(self, wanted: Sequence[int]) -> list[Any]:
        """Return numbers of neighbours, or that of all where there are fewer."""
        build, most = self.build, self.f["most"]
        fewer = [build.icmp_signed("<", whole(count), most) for count in wanted]
        return [build.select(f, whole(n), most) for f, n in zip(fewer, wanted, strict=True)]

    def _divided(self, numerator: Any, denominator: Any) -> Any:
        """Return a quotient, or 0 where it is not defined."""
        build = self.build
        least = build.fdiv(size(build, numerator), number(told_of.LARGEST_RATE))
        defined = build.fcmp_ordered(">", size(build, denominator), least)
        return build.select(defined, build.fdiv(numerator, denominator), number(0.0))

    def _put(self, value: Any) -> None:
        build = self.build
        place = build.load(self.place)
        build.store(value, at(build, self.out, place))
        build.store(build.add(place, whole(1)), self.place)
