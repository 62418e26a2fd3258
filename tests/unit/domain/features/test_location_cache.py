from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.schema import Matrix
from domain.features.location_cache import LocationCache


class Compute:
    """Doubles keys and records them."""

    def __init__(self) -> None:
        self.computed: list[tuple[float, ...]] = []

    def __call__(self, keys: Matrix) -> Matrix:
        self.computed += [tuple(key) for key in keys.tolist()]
        return np.column_stack([keys * 2, keys.sum(axis=1)])


def _rows(cache: LocationCache, keys: Matrix) -> Matrix:
    rows = np.full((len(keys), 3), -1.0)
    cache.write(keys, rows)
    return rows


KEYS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 2)).map(lambda key: (float(key[0]), key[1] / 2)),
    max_size=25,
)


@given(st.lists(KEYS, max_size=8), st.integers(1, 12))
def test_results_do_not_depend_on_what_is_cached(
    batches: list[list[tuple[float, float]]], capacity: int
) -> None:
    cache = LocationCache(Compute(), 3, capacity)
    for keys in batches:
        matrix = np.array(keys, dtype=np.float64).reshape(-1, 2)
        assert _rows(cache, matrix).tolist() == Compute()(matrix).tolist()


def test_a_key_is_computed_once() -> None:
    compute = Compute()
    cache = LocationCache(compute, 3, 4)
    keys = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    _rows(cache, keys)
    _rows(cache, keys[::-1])
    assert compute.computed == [(1.0, 2.0), (3.0, 4.0)]


def test_a_full_cache_is_emptied() -> None:
    compute = Compute()
    cache = LocationCache(compute, 3, 2)
    for number in (1.0, 2.0, 3.0, 1.0, 3.0):
        assert _rows(cache, np.full((1, 2), number)).tolist() == [
            [2 * number, 2 * number, 2 * number]
        ]
    assert [key[0] for key in compute.computed] == [1.0, 2.0, 3.0, 3.0, 1.0]


def test_the_locations_of_a_million_simulated_rows_are_computed_once() -> None:
    compute = Compute()
    cache = LocationCache(compute, 3)
    keys = np.stack([np.arange(128_072.0), np.zeros(128_072)], axis=1)
    for _ in range(2):
        for block in np.array_split(keys, 32):
            _rows(cache, block)
    assert len(compute.computed) == len(keys)


def test_nan_is_a_key() -> None:
    cache = LocationCache(Compute(), 3, 2)
    for _ in range(5):
        assert np.isnan(_rows(cache, np.full((2, 2), np.nan))).all()


@pytest.mark.parametrize("capacity", [3, 50, 1000])
def test_threads_get_the_rows_of_their_own_keys(capacity: int) -> None:
    cache = LocationCache(Compute(), 3, capacity)
    random = np.random.default_rng(0)
    batches = [random.integers(0, 80, (random.integers(1, 60), 2)) / 2 for _ in range(300)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(partial(_rows, cache), batches))
    for batch, result in zip(batches, results, strict=True):
        assert result.tolist() == Compute()(batch).tolist()
