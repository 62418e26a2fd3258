"""Compiled neighbour statistics equal `NeighbourStatistics.compute` to the last bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.llvm.neighbour_kernel import columns_for
from adapters.llvm.neighbour_runtime import CompiledStatistics, compile_statistics
from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Matrix, Ratio, Schema, Target
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.features.neighbour_parameters import CURRENT, NeighbourParameters
from domain.features.neighbour_statistics import NeighbourStatistics
from tests.support.strategies import neighbour_parameters

SEEDS = st.integers(0, 2**32 - 1)
NAMES = ("price", "rooms", "age", "rooms per age", "people")


def _statistics(seed: int, rows: int, width: int = 3, largest: float = 9.0) -> NeighbourStatistics:
    """Return rows in towns, on lattices with many rows at one location, and some far away."""
    random = np.random.default_rng(seed)
    towns = random.uniform(-90, 90, (random.integers(1, 5), 2))
    locations = towns[random.integers(0, len(towns), rows)] + random.normal(0, 0.3, (rows, 2))
    lattice = random.random(rows) < random.random()
    locations[lattice] = locations[lattice].round(random.integers(0, 3))
    far = random.random(rows) < 0.02
    locations[far] *= 1e10
    values = random.choice([-0.0, 0.0, 1.0, -2.5, 0.1, largest], (rows, width))
    continuous = random.random(rows) < 0.5
    values[continuous] = random.normal(0, 1, (int(continuous.sum()), width))
    order = np.lexsort(locations.T)
    return NeighbourStatistics(NAMES[:width], locations[order], values[order])


def _points(statistics: NeighbourStatistics, seed: int, count: int) -> Matrix:
    """Return query points at training rows, near them, and anywhere."""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(statistics.locations), count)
    points = statistics.locations[chosen].copy()
    nearby = random.random(count) < 0.5
    points[nearby] += random.normal(0, 0.1, (int(nearby.sum()), 2))
    odd = random.random(count) < 0.2
    points[odd] = random.choice([0.0, -0.0, 1e-300, 180.0, 1e9, -1e9, 1e300], (int(odd.sum()), 2))
    return points


@settings(deadline=None)
@given(seed=SEEDS, rows=st.integers(2, 400), width=st.integers(2, 5), count=st.integers(1, 40))
@example(seed=0, rows=2, width=2, count=9)
@example(seed=1, rows=CURRENT.neighbours, width=5, count=9)
@example(seed=2, rows=CURRENT.neighbours + 1, width=2, count=9)
def test_any_query_points_get_the_bits_of_numpy(
    seed: int, rows: int, width: int, count: int
) -> None:
    statistics = _statistics(seed, rows, width)
    points = _points(statistics, seed + 1, count)
    found = CompiledStatistics(statistics)(points)
    assert found.tobytes() == statistics.compute(points).tobytes()


@settings(deadline=None)
@given(seed=SEEDS, largest=st.sampled_from([1e155, 1e300, 1.7e308]))
def test_overflow_gives_the_same_infinities_and_nans_as_numpy(seed: int, largest: float) -> None:
    statistics = _statistics(seed, 90, largest=largest)
    points = _points(statistics, seed + 1, 20)
    found, expected = (
        CompiledStatistics(statistics)(points),
        statistics.compute(points),
    )
    np.testing.assert_array_equal(found, expected)


@given(SEEDS, st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_results_do_not_depend_on_the_size_of_a_call(seed: int, sizes: list[int]) -> None:
    statistics = _statistics(5, 600)
    compute = CompiledStatistics(statistics)
    points = _points(statistics, seed, sum(sizes))
    parts = [compute(part) for part in np.split(points, np.cumsum(sizes)[:-1])]
    assert np.concatenate(parts).tobytes() == compute(points).tobytes()


def test_threads_get_the_statistics_of_their_own_points() -> None:
    statistics = _statistics(6, 2000)
    compute = CompiledStatistics(statistics)
    batches = [_points(statistics, seed, 300) for seed in range(16)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(compute, batches))
    expected = [statistics.compute(points).tobytes() for points in batches]
    assert [result.tobytes() for result in found] == expected


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "skylake-avx512"])
def test_the_code_of_other_processors_gives_the_same_bits(processor: str) -> None:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    foreign = binding.get_default_triple().split("-")[0] != "x86_64"
    if foreign or (processor == "skylake-avx512" and not features.get("avx512bw")):
        processor = "generic"
    statistics = _statistics(7, 1000)
    points = _points(statistics, 8, 200)
    found = CompiledStatistics(statistics, processor)(points)
    assert found.tobytes() == statistics.compute(points).tobytes()


def test_a_nan_coordinate_gives_nan() -> None:
    statistics = _statistics(9, 300)
    mean = statistics.columns.index("price, weighted mean of 5 nearest")
    found = CompiledStatistics(statistics)(np.array([[np.nan, 1.0], [1.0, np.nan], [np.nan] * 2]))
    assert np.isnan(found[:, mean]).all()


def test_any_memory_layout_of_query_points_is_read() -> None:
    statistics = _statistics(10, 300)
    compute, points = CompiledStatistics(statistics), _points(statistics, 11, 50)
    expected = compute(points).tobytes()
    assert compute(np.asfortranarray(points)).tobytes() == expected
    assert compute(np.repeat(points, 2, axis=1)[:, ::2]).tobytes() == expected
    assert compute(points[:0]).shape == (0, len(statistics.columns))


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (2,)])
def test_query_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed: \(points, 2\)"):
        CompiledStatistics(_statistics(12, 10))(np.zeros(shape))


@settings(deadline=None, max_examples=10)
@given(
    parameters=neighbour_parameters(), seed=SEEDS, rows=st.integers(2, 80), width=st.integers(2, 4)
)
def test_other_parameters_get_the_bits_of_numpy(
    parameters: NeighbourParameters, seed: int, rows: int, width: int
) -> None:
    usual = _statistics(seed, rows, width)
    statistics = NeighbourStatistics(usual.names, usual.locations, usual.values, parameters)
    points = _points(statistics, seed + 1, 9)
    assert len(statistics.columns) == columns_for(width, parameters)
    found = CompiledStatistics(statistics)(points)
    assert found.tobytes() == statistics.compute(points).tobytes()


class Odd(NeighbourStatistics):
    """Computed by another rule than the compiled one."""

    def compute(self, points: Matrix) -> Matrix:
        return np.nextafter(super().compute(points), np.inf)


def test_compiled_code_with_other_results_is_not_used() -> None:
    usual = _statistics(13, 200)
    odd = Odd(usual.names, usual.locations, usual.values)
    assert isinstance(compile_statistics(usual), CompiledStatistics)
    assert compile_statistics(odd) == odd.compute
    alone = NeighbourStatistics(NAMES[:1], usual.locations, usual.values[:, :1])
    assert compile_statistics(alone) == alone.compute


def test_a_row_has_the_same_columns_with_either_implementation() -> None:
    usual = _statistics(14, 500)
    compiled = NeighbourStatistics(
        usual.names, usual.locations, usual.values, CURRENT, compile_statistics
    )
    points = _points(usual, 15, 100)
    own = np.random.default_rng(16).normal(0, 1, (100, 2 * CURRENT.own_groups))
    columns = np.empty((2, 100, len(usual.columns)))
    usual.write(points, own, columns[0])
    compiled.write(points, own, columns[1])
    assert columns[0].tobytes() == columns[1].tobytes()


TOWN = Schema(
    "town",
    Target("price"),
    (
        Feature("north", Kind.NUMBER, nullable=True),
        Feature("rooms", Kind.NUMBER, nullable=True),
        Feature("east", Kind.NUMBER, nullable=True),
    ),
    (Ratio("rooms_per_degree", "rooms", "east"),),
    Coordinates(latitude="north", longitude="east"),
)


def _rows(seed: int, count: int) -> Matrix:
    """Return rows at one location, far away, and without coordinates or rooms."""
    random = np.random.default_rng(seed)
    rows = random.normal([34.0, 5.0, -118.0], [0.2, 2.0, 0.2], (count, 3)).round(1)
    rows[random.random(rows.shape) < 0.1] = np.nan
    far = random.random(count) < 0.1
    rows[far] *= random.choice([1e3, 1e12, -1e300])
    return rows


@pytest.fixture(scope="module")
def encodings() -> list[FeatureEncoding]:
    """The same encoding, with numpy and in compiled code."""
    rows = _rows(17, 400)
    fitted, _ = FeatureEncoding.fit_transform(
        FeatureSet.SPATIAL, TOWN, rows, np.nan_to_num(rows[:, 1], nan=3.0)
    )
    files = fitted.to_files()
    return [FeatureEncoding.from_files(TOWN, files, way) for way in (None, compile_statistics)]


@settings(deadline=None)
@given(SEEDS, st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_rows_have_the_same_columns_either_way_in_calls_of_any_size(
    encodings: list[FeatureEncoding], seed: int, sizes: list[int]
) -> None:
    rows = _rows(seed, sum(sizes))
    by_numpy, compiled = (encoding.transform(rows) for encoding in encodings)
    np.testing.assert_array_equal(compiled, by_numpy)
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    apart = [encodings[1].transform(part) for part in parts]
    assert np.concatenate(apart).tobytes() == compiled.tobytes()
