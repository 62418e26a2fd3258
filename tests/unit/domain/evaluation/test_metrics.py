from math import isclose, isfinite, sqrt
from statistics import fmean

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import ArtefactRejected, InvalidData
from domain.evaluation.metrics import (
    PARITY_TOLERANCE,
    Metrics,
    largest_deviation,
    measure,
    require_parity,
)

VALUES = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30))
def test_metrics_follow_from_their_definitions(pairs: list[tuple[float, float]]) -> None:
    target, predictions = ([pair[side] for pair in pairs] for side in (0, 1))
    if max(target) - min(target) < 1e-3:
        return
    squares = [(y - p) ** 2 for y, p in pairs]
    spread = [(y - fmean(target)) ** 2 for y in target]
    metrics = measure(np.array(target), np.array(predictions))
    assert isclose(metrics.rmse, sqrt(fmean(squares)), rel_tol=1e-9, abs_tol=1e-9)
    assert isclose(metrics.mae, fmean(abs(y - p) for y, p in pairs), rel_tol=1e-9)
    assert isclose(metrics.r2, 1 - sum(squares) / sum(spread), rel_tol=1e-6, abs_tol=1e-6)
    assert metrics.rows == len(pairs)


def test_a_perfect_model_has_no_error_and_the_mean_explains_nothing() -> None:
    target = np.array([1.0, 2.0, 6.0])
    assert measure(target, target) == Metrics(0.0, 0.0, 1.0, 3)
    assert measure(target, np.full(3, 3.0)).r2 == 0.0
    assert measure(target, target).to_mapping() == {"rmse": 0.0, "mae": 0.0, "r2": 1.0, "rows": 3}


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, 123456.7])
@pytest.mark.parametrize("rows", [1, 3, 7, 1000])
def test_from_a_constant_target_no_model_can_be_told(value: float, rows: int) -> None:
    with pytest.raises(InvalidData, match=f"the target is constant: all {rows} rows"):
        measure(np.full(rows, value), np.zeros(rows))


@pytest.mark.parametrize("answer", [1e200, float("nan")])
def test_errors_beyond_all_bounds_are_refused(answer: float) -> None:
    with pytest.raises(InvalidData, match=r"too large to be squared"):
        measure(np.array([1.0, 2.0]), np.array([1.0, answer]))


@given(st.lists(VALUES, max_size=20))
def test_a_vector_does_not_deviate_from_itself(values: list[float]) -> None:
    assert largest_deviation(np.array(values), np.array(values)) == 0.0


@given(st.lists(VALUES, min_size=1, max_size=20), st.data())
def test_one_odd_value_is_a_deviation(values: list[float], data: st.DataObject) -> None:
    expected, actual = np.array(values), np.array(values)
    row = data.draw(st.integers(0, len(values) - 1))
    actual[row] += 1e-6 * (1 + float(np.max(np.abs(expected))))
    assert largest_deviation(expected, actual) > 5e-7
    with pytest.raises(
        ArtefactRejected, match=r"^hold-out: predictions differ by up to .* relative"
    ):
        require_parity(expected, actual, "hold-out")


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([1.0], [1.0, 2.0]),
        ([1.0], [float("nan")]),
        ([float("nan")], [float("nan")]),
        ([1.0], [float("inf")]),
        ([float("inf")], [1.0]),
        ([float("inf")], [float("inf")]),
        ([1e308, 1e308], [-1e308, 1e308]),
    ],
)
def test_what_cannot_be_compared_deviates_without_bound(
    expected: list[float], actual: list[float]
) -> None:
    assert largest_deviation(np.array(expected), np.array(actual)) == float("inf")


def test_rounding_in_the_last_bits_is_parity() -> None:
    expected = np.array([452310.25, 1e-3, 0.0])
    deviation = require_parity(expected, np.nextafter(expected, np.inf), "hold-out")
    assert 0 < deviation < PARITY_TOLERANCE


@given(st.lists(VALUES, min_size=1), st.lists(VALUES, min_size=1))
@example([2.2e-309], [1.0])
def test_a_deviation_is_a_number_of_at_least_zero(a: list[float], b: list[float]) -> None:
    deviation = largest_deviation(np.array(a), np.array(b))
    assert deviation >= 0
    assert isfinite(deviation) == (len(a) == len(b))
