"""Compiled tree ensembles equal ONNX Runtime and scikit-learn to the last bit."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from adapters.llvm.tree_kernel import FEW, ROWS
from adapters.llvm.tree_runtime import TreeSum, open_trees
from adapters.onnx.onnx_runtime import open_graph
from adapters.sklearn.serving_form import serving_form, trees_of
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.model.tree_ensemble import TreeEnsemble
from tests.integration.llvm.ensembles import ensemble, hard_rows

SEEDS = st.integers(0, 2**32 - 1)
POOL = np.array([-1e9, -2.5, -0.0, 0.0, 1e-300, 0.1, 0.30000000000000004, 7.0, 1e300, np.inf])


def _trees(seed: int, trees: int = 30, leaves: int = 31, width: int = 6) -> TreeEnsemble:
    found = trees_of(ensemble(np.random.default_rng(seed), trees, leaves, POOL, width), width)
    assert found is not None
    return found


def _fitted(columns: Matrix, target: Vector, **parameters: Any) -> Any:
    with threadpool_limits(1):
        return HistGradientBoostingRegressor(**{"max_iter": 30, **parameters}).fit(columns, target)


@settings(deadline=None)
@given(
    seed=SEEDS,
    trees=st.integers(1, 20),
    leaves=st.integers(1, 40),
    width=st.integers(1, 9),
    rows=st.integers(1, 2 * ROWS + FEW + 2),
)
@example(seed=0, trees=1, leaves=1, width=1, rows=1)
@example(seed=1, trees=9, leaves=256, width=3, rows=ROWS + FEW)
@example(seed=2, trees=9, leaves=256, width=3, rows=ROWS + FEW + 1)
def test_any_trees_give_the_bits_of_onnx_runtime_for_any_rows(
    seed: int, trees: int, leaves: int, width: int, rows: int
) -> None:
    random = np.random.default_rng(seed)
    estimator = ensemble(random, trees, leaves, POOL, width)
    files = serving_form(estimator, width)
    columns = hard_rows(random, rows, POOL, width)
    sums = open_trees(files, width)(columns)
    assert sums.dtype == np.float64
    assert sums.tobytes() == open_graph(files, width)(columns).tobytes()
    assert sums.tobytes() == estimator.predict(columns).tobytes()


@given(SEEDS, st.integers(1, 3 * ROWS))
def test_a_row_has_the_same_sum_alone_and_among_others(seed: int, rows: int) -> None:
    score = TreeSum(_trees(1))
    columns = hard_rows(np.random.default_rng(seed), rows, POOL, 6)
    together = score(columns)
    alone = [score(columns[row : row + 1]) for row in range(rows)]
    assert np.concatenate(alone).tobytes() == together.tobytes()


@pytest.mark.parametrize(
    ("loss", "bins"), [("squared_error", 255), ("absolute_error", 2), ("quantile", 16)]
)
def test_a_fitted_estimator_is_reproduced_to_the_last_bit(loss: str, bins: int) -> None:
    random = np.random.default_rng(bins)
    columns = random.normal(0, 10, (2000, 5))
    columns[random.random(columns.shape) < 0.1] = np.nan
    target = np.nansum(columns, axis=1) ** 2
    quantile = 0.8 if loss == "quantile" else None
    estimator = _fitted(
        columns, target, loss=loss, quantile=quantile, max_bins=bins, max_leaf_nodes=50
    )
    score = open_trees(serving_form(estimator, 5), 5)
    cuts = [threshold for part in estimator._bin_mapper.bin_thresholds_ for threshold in part]
    exactly = random.choice(cuts, (500, 5))
    for rows in (columns, exactly, np.nextafter(exactly, np.inf), np.full((9, 5), np.nan)):
        assert score(rows).tobytes() == estimator.predict(rows).tobytes()


@pytest.mark.parametrize("leaves", [255, 256])
def test_trees_may_have_as_many_leaves_as_a_byte_counts(leaves: int) -> None:
    random = np.random.default_rng(leaves)
    columns = random.normal(0, 1, (6000, 1))
    target = random.normal(0, 1, 6000)
    estimator = _fitted(columns, target, max_leaf_nodes=leaves, max_iter=3, min_samples_leaf=1)
    trees = trees_of(estimator, 1)
    assert trees is not None
    assert trees.leaves.max() >= 255
    assert TreeSum(trees)(columns).tobytes() == estimator.predict(columns).tobytes()


def test_an_estimator_with_more_leaves_or_of_another_kind_has_no_trees() -> None:
    random = np.random.default_rng(0)
    columns = random.normal(0, 1, (6000, 2))
    target = random.normal(0, 1, 6000)
    estimator = _fitted(columns, target, max_leaf_nodes=None, max_iter=1, min_samples_leaf=1)
    assert trees_of(estimator, 2) is None
    assert [*serving_form(estimator, 2)] == ["model.onnx"]


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "skylake-avx512"])
def test_the_code_of_other_processors_gives_the_same_bits(processor: str) -> None:
    from llvmlite import binding

    if binding.get_default_triple().split("-")[0] != "x86_64":
        processor = "generic"
    features = binding.get_host_cpu_features()
    if processor == "skylake-avx512" and not features.get("avx512bw"):
        processor = "generic"
    trees = _trees(3)
    columns = hard_rows(np.random.default_rng(4), 300, POOL, 6)
    assert TreeSum(trees, processor)(columns).tobytes() == TreeSum(trees)(columns).tobytes()


def test_any_memory_layout_of_rows_is_read() -> None:
    score = TreeSum(_trees(5))
    columns = hard_rows(np.random.default_rng(6), 200, POOL, 6)
    expected = score(columns)
    assert score(np.asfortranarray(columns)).tobytes() == expected.tobytes()
    assert score(columns[::-1]).tobytes() == expected[::-1].tobytes()
    assert score(np.repeat(columns, 2, axis=1)[:, ::2]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("shape", [(0, 6), (3, 5), (3, 7), (6,)])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed: \(1 or more, 6\)"):
        TreeSum(_trees(5))(np.zeros(shape))


def test_other_threads_run_during_a_call() -> None:
    score = TreeSum(_trees(7, trees=200))
    columns = hard_rows(np.random.default_rng(8), 300_000, POOL, 6)
    turns, done = 0, threading.Event()
    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(score, columns)
        pending.add_done_callback(lambda _: done.set())
        while not done.wait(0.001):
            turns += 1
    assert turns > 0
    assert pending.result().tobytes() == score(columns).tobytes()
