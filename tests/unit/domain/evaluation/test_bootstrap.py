import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.data.feature import Vector
from domain.evaluation.bootstrap import Resampling, difference

QUICK = Resampling(resamples=200)
SQUARES = arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6))


def test_an_interval_holds_the_truth_about_as_often_as_it_promises() -> None:
    random = np.random.default_rng(0)
    sampled = Resampling(resamples=400, confidence=0.9)
    held = 0
    for _ in range(200):
        values = random.exponential(1.0, (200, 1))
        low, high = sampled.interval(sampled.means(values)[:, 0])
        held += low <= 1.0 <= high
    assert 165 <= held <= 194  # 180 expected; a binomial is outside one time in 500


def test_the_spread_is_that_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(5, 2, (400, 1))
    means = Resampling().means(values)
    assert np.std(means) == pytest.approx(np.std(values) / 20, rel=0.05)
    assert np.mean(means) == pytest.approx(np.mean(values), abs=0.02)


def test_many_rows_are_drawn_in_groups_with_the_same_spread() -> None:
    values = np.random.default_rng(2).normal(5, 2, (25_001, 1))
    means = Resampling(resamples=500).means(values)
    assert np.std(means) == pytest.approx(2 / np.sqrt(25_001), rel=0.1)
    assert np.mean(means) == pytest.approx(np.mean(values), abs=0.003)


def test_pairs_stay_together() -> None:
    ours = np.random.default_rng(3).exponential(1e6, 300)
    found = difference(ours, ours * 1.21, QUICK)
    assert found.relative == pytest.approx(1 / 1.1 - 1)
    assert found.high < -0.08 * found.theirs
    assert found.low > -0.11 * found.theirs


@given(SQUARES)
def test_a_model_does_not_differ_from_itself(squared: Vector) -> None:
    found = difference(squared, squared, QUICK)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.rows == len(squared)


@given(SQUARES, st.data())
def test_smaller_errors_lower_both_ends(squared: Vector, data: st.DataObject) -> None:
    theirs = data.draw(arrays(np.float64, len(squared), elements=st.floats(0, 1e6)))
    share = data.draw(arrays(np.float64, len(squared), elements=st.floats(0, 1)))
    worse, better = (difference(each, theirs, QUICK) for each in (squared, squared * share))
    assert better.low <= worse.low
    assert better.high <= worse.high
    assert better.estimate <= worse.estimate


@given(SQUARES)
def test_the_estimate_lies_between_its_bounds_or_near_them(squared: Vector) -> None:
    found = difference(squared, squared[::-1].copy(), QUICK)
    assert found.low <= found.high
    assert found == difference(squared, squared[::-1].copy(), QUICK)
