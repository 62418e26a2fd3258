"""The compiled survey of places tells what `NeighbourStatistics.survey` does, to the last bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.llvm.neighbour_runtime import CompiledStatistics, compile_statistics
from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Matrix, Ratio, Schema, Target
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.features.neighbours import AGAINST, MOST, NeighbourStatistics

SEEDS = st.integers(0, 2**32 - 1)
NAMES = ("price", "rooms", "age", "rooms per age", "people")


def _surroundings(
    seed: int, rows: int, width: int = 3, largest: float = 9.0
) -> NeighbourStatistics:
    """Return rows in towns, on lattices on which many share a place, and some far from all."""
    random = np.random.default_rng(seed)
    towns = random.uniform(-90, 90, (random.integers(1, 5), 2))
    places = towns[random.integers(0, len(towns), rows)] + random.normal(0, 0.3, (rows, 2))
    lattice = random.random(rows) < random.random()
    places[lattice] = places[lattice].round(random.integers(0, 3))
    far = random.random(rows) < 0.02
    places[far] *= 1e10
    told = random.choice([-0.0, 0.0, 1.0, -2.5, 0.1, largest], (rows, width))
    continuous = random.random(rows) < 0.5
    told[continuous] = random.normal(0, 1, (int(continuous.sum()), width))
    order = np.lexsort(places.T)
    return NeighbourStatistics(NAMES[:width], places[order], told[order])


def _places(neighbour_statistics: NeighbourStatistics, seed: int, count: int) -> Matrix:
    """Return places of training rows, beside them, and anywhere."""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(neighbour_statistics.places), count)
    places = neighbour_statistics.places[chosen].copy()
    beside = random.random(count) < 0.5
    places[beside] += random.normal(0, 0.1, (int(beside.sum()), 2))
    odd = random.random(count) < 0.2
    places[odd] = random.choice([0.0, -0.0, 1e-300, 180.0, 1e9, -1e9, 1e300], (int(odd.sum()), 2))
    return places


@settings(deadline=None)
@given(seed=SEEDS, rows=st.integers(2, 400), width=st.integers(2, 5), count=st.integers(1, 40))
@example(seed=0, rows=2, width=2, count=9)
@example(seed=1, rows=MOST, width=5, count=9)
@example(seed=2, rows=MOST + 1, width=2, count=9)
def test_any_places_are_told_what_numpy_tells_them(
    seed: int, rows: int, width: int, count: int
) -> None:
    neighbour_statistics = _surroundings(seed, rows, width)
    places = _places(neighbour_statistics, seed + 1, count)
    told = CompiledStatistics(neighbour_statistics)(places)
    assert told.tobytes() == neighbour_statistics.survey(places).tobytes()


@settings(deadline=None)
@given(seed=SEEDS, largest=st.sampled_from([1e155, 1e300, 1.7e308]))
def test_numbers_that_grow_too_large_become_infinite_or_none_as_in_numpy(
    seed: int, largest: float
) -> None:
    neighbour_statistics = _surroundings(seed, 90, largest=largest)
    places = _places(neighbour_statistics, seed + 1, 20)
    told, expected = (
        CompiledStatistics(neighbour_statistics)(places),
        neighbour_statistics.survey(places),
    )
    np.testing.assert_array_equal(told, expected)


@given(SEEDS, st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_a_place_is_told_the_same_in_parts_of_any_size(seed: int, sizes: list[int]) -> None:
    neighbour_statistics = _surroundings(5, 600)
    survey = CompiledStatistics(neighbour_statistics)
    places = _places(neighbour_statistics, seed, sum(sizes))
    parts = [survey(part) for part in np.split(places, np.cumsum(sizes)[:-1])]
    assert np.concatenate(parts).tobytes() == survey(places).tobytes()


def test_threads_are_told_of_their_own_places() -> None:
    neighbour_statistics = _surroundings(6, 2000)
    survey = CompiledStatistics(neighbour_statistics)
    asked = [_places(neighbour_statistics, seed, 300) for seed in range(16)]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(survey, asked))
    expected = [neighbour_statistics.survey(places).tobytes() for places in asked]
    assert [answer.tobytes() for answer in told] == expected


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "skylake-avx512"])
def test_it_tells_the_same_in_the_code_of_other_processors(processor: str) -> None:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    foreign = binding.get_default_triple().split("-")[0] != "x86_64"
    if foreign or (processor == "skylake-avx512" and not features.get("avx512bw")):
        processor = "generic"
    neighbour_statistics = _surroundings(7, 1000)
    places = _places(neighbour_statistics, 8, 200)
    told = CompiledStatistics(neighbour_statistics, processor)(places)
    assert told.tobytes() == neighbour_statistics.survey(places).tobytes()


def test_a_place_that_is_no_number_is_told_nothing() -> None:
    neighbour_statistics = _surroundings(9, 300)
    mean = neighbour_statistics.columns.index("price, weighted mean of 5 nearest")
    told = CompiledStatistics(neighbour_statistics)(
        np.array([[np.nan, 1.0], [1.0, np.nan], [np.nan] * 2])
    )
    assert np.isnan(told[:, mean]).all()


def test_places_are_read_wherever_they_lie_in_memory() -> None:
    neighbour_statistics = _surroundings(10, 300)
    survey, places = CompiledStatistics(neighbour_statistics), _places(neighbour_statistics, 11, 50)
    expected = survey(places).tobytes()
    assert survey(np.asfortranarray(places)).tobytes() == expected
    assert survey(np.repeat(places, 2, axis=1)[:, ::2]).tobytes() == expected
    assert survey(places[:0]).shape == (0, len(neighbour_statistics.columns))


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (2,)])
def test_places_of_another_width_are_not_read(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="places of two coordinates"):
        CompiledStatistics(_surroundings(12, 10))(np.zeros(shape))


class Odd(NeighbourStatistics):
    """Told by another rule than the one that was compiled."""

    def survey(self, places: Matrix) -> Matrix:
        return np.nextafter(super().survey(places), np.inf)


def test_what_does_not_answer_alike_is_not_used() -> None:
    usual = _surroundings(13, 200)
    odd = Odd(usual.names, usual.places, usual.told)
    assert isinstance(compile_statistics(usual), CompiledStatistics)
    assert compile_statistics(odd) == odd.survey
    alone = NeighbourStatistics(NAMES[:1], usual.places, usual.told[:, :1])
    assert compile_statistics(alone) == alone.survey


def test_a_row_is_described_the_same_by_either_way() -> None:
    usual = _surroundings(14, 500)
    quick = NeighbourStatistics(usual.names, usual.places, usual.told, compile_statistics)
    places = _places(usual, 15, 100)
    own = np.random.default_rng(16).normal(0, 1, (100, 2 * AGAINST))
    columns = np.empty((2, 100, len(usual.columns)))
    usual.describe(places, own, columns[0])
    quick.describe(places, own, columns[1])
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
    """Return rows that share places, lie far away, and lack coordinates or rooms."""
    random = np.random.default_rng(seed)
    rows = random.normal([34.0, 5.0, -118.0], [0.2, 2.0, 0.2], (count, 3)).round(1)
    rows[random.random(rows.shape) < 0.1] = np.nan
    far = random.random(count) < 0.1
    rows[far] *= random.choice([1e3, 1e12, -1e300])
    return rows


@pytest.fixture(scope="module")
def encodings() -> list[FeatureEncoding]:
    """The same encoding, by numpy and in compiled code."""
    rows = _rows(17, 400)
    learnt, _ = FeatureEncoding.learn(
        FeatureSet.SPATIAL, TOWN, rows, np.nan_to_num(rows[:, 1], nan=3.0)
    )
    files = learnt.to_files()
    return [FeatureEncoding.from_files(TOWN, files, way) for way in (None, compile_statistics)]


@settings(deadline=None)
@given(SEEDS, st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_rows_become_the_same_columns_either_way_in_parts_of_any_size(
    encodings: list[FeatureEncoding], seed: int, sizes: list[int]
) -> None:
    rows = _rows(seed, sum(sizes))
    by_numpy, compiled = (encoding.transform(rows) for encoding in encodings)
    np.testing.assert_array_equal(compiled, by_numpy)
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    apart = [encodings[1].transform(part) for part in parts]
    assert np.concatenate(apart).tobytes() == compiled.tobytes()
