from math import ceil, inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Ratio, Schema, Target
from domain.errors import ArtefactRejected, InvalidData
from domain.uncertainty.conformal import (
    FEWEST_ROWS,
    FOLDS,
    Quantiles,
    error_scale_rows,
    error_scale_schema,
    folds,
)

ERRORS = st.lists(st.floats(0, 1e9), min_size=FEWEST_ROWS, max_size=300)
LEVELS = st.integers(500, 990).map(lambda step: step / 1000)
PREDICTIONS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30)


def _constant(errors: list[float]) -> Quantiles:
    return Quantiles.of(np.array(errors), np.zeros(len(errors)), 1.0)


def _exchangeable(rows: int, seed: int) -> tuple[Vector, Vector]:
    """Errors whose size an error-scale model knows but for chance, and its answers."""
    random = np.random.default_rng(seed)
    size = random.uniform(0.1, 10.0, rows)
    return np.abs(random.normal(0, size)), np.sqrt(size)


@given(ERRORS, LEVELS)
def test_a_constant_interval_is_the_error_of_the_finite_sample_rank(
    errors: list[float], level: float
) -> None:
    quantiles = _constant(errors)
    rank = ceil(round((len(errors) + 1) * level, 9))
    if rank > len(errors):
        with pytest.raises(InvalidData):
            quantiles.quantile(level)
        return
    bounds = quantiles.bounds(np.zeros(1), np.zeros(1), level)
    assert bounds.upper[0] == pytest.approx(sorted(errors)[rank - 1], rel=1e-12)
    assert bounds.lower[0] == -bounds.upper[0]


@pytest.mark.parametrize(("rows", "highest"), [(20, 0.952), (99, 0.99), (98, 0.989)])
def test_few_scores_give_no_high_levels(rows: int, highest: float) -> None:
    quantiles = _constant([*map(float, range(rows))])
    assert quantiles.highest == highest
    assert quantiles.quantile(highest) > 0
    with pytest.raises(InvalidData, match=f"allowed: a number from 0.5 to {highest}$"):
        quantiles.quantile(0.9901 if rows == 99 else 0.99)


@given(ERRORS, PREDICTIONS, st.data())
def test_bounds_are_ordered_and_hold_the_prediction_and_grow_with_the_level(
    errors: list[float], predictions: list[float], data: st.DataObject
) -> None:
    quantiles = _constant(errors)
    answers = np.array(predictions)
    roots = np.array(data.draw(st.lists(st.floats(-1e4, 1e4), min_size=len(answers))))
    roots = np.resize(roots, len(answers))
    low, high = sorted(data.draw(st.tuples(LEVELS, LEVELS)))
    if high > quantiles.highest:
        return
    inner = quantiles.bounds(answers, roots, low)
    outer = quantiles.bounds(answers, roots, high)
    assert (outer.lower <= inner.lower).all()
    assert (inner.lower <= answers).all()
    assert (answers <= inner.upper).all()
    assert (inner.upper <= outer.upper).all()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_exchangeable_rows_are_covered_as_often_as_the_level_says(level: float) -> None:
    quantiles = Quantiles.of(*_exchangeable(20_000, 1), 1.0)
    errors, roots = _exchangeable(20_000, 2)
    bounds = quantiles.bounds(np.zeros(len(errors)), roots, level)
    deviation = 4 * np.sqrt(2 * level * (1 - level) / len(errors))
    assert np.mean(errors <= bounds.upper) == pytest.approx(level, abs=deviation)


def test_a_small_calibration_covers_on_average_over_many() -> None:
    inside = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        quantiles = _constant(np.abs(random.normal(size=25)).tolist())
        half = quantiles.bounds(np.zeros(1), np.zeros(1), 0.9).upper[0]
        inside.append(np.mean(np.abs(random.normal(size=500)) <= half))
    assert np.mean(inside) == pytest.approx(24 / 26, abs=0.015)


def test_intervals_are_wide_where_errors_are_large_and_narrow_where_they_are_small() -> None:
    errors, roots = _exchangeable(5_000, 3)
    adaptive = Quantiles.of(errors, roots, 1.0)
    constant = Quantiles.of(errors, np.zeros(len(errors)), 1.0)
    narrow, wide = adaptive.bounds(np.zeros(2), np.array([0.4, 3.0]), 0.9).upper
    (same,) = constant.bounds(np.zeros(1), np.zeros(1), 0.9).upper
    assert narrow < same / 3 < same < wide
    assert np.mean(adaptive.quantile(0.9) * adaptive.error_scale(roots, roots)) < 0.9 * same


def test_a_model_without_errors_has_intervals_all_the_same() -> None:
    bounds = _constant([0.0] * 50).bounds(np.array([3.0]), np.zeros(1), 0.9)
    assert (bounds.lower[0], bounds.upper[0]) == (3.0, 3.0)


@pytest.mark.parametrize("level", [0.0, 0.4999, 0.9901, 1.0, 90.0, -0.9, inf, nan])
def test_a_level_that_is_not_allowed_is_refused_with_those_that_are(level: float) -> None:
    quantiles = _constant([*map(float, range(1000))])
    with pytest.raises(InvalidData, match=r"^interval: .*allowed: a number from 0\.5 to 0\.99$"):
        quantiles.bounds(np.zeros(1), np.zeros(1), level)


def test_a_level_between_two_is_answered_by_the_higher() -> None:
    quantiles = _constant([*map(float, range(1000))])
    assert quantiles.quantile(0.9001) == quantiles.quantile(0.901)
    assert quantiles.quantile(0.9) < quantiles.quantile(0.901)


def test_too_few_rows_cannot_calibrate() -> None:
    with pytest.raises(InvalidData, match=r"19 rows .*20 or more"):
        _constant([1.0] * (FEWEST_ROWS - 1))


@given(ERRORS)
def test_quantiles_come_back_to_the_last_bit(errors: list[float]) -> None:
    quantiles = _constant(errors)
    again = Quantiles.from_bytes(quantiles.to_bytes())
    assert again == quantiles
    assert again.to_bytes() == quantiles.to_bytes()


def test_a_band_of_the_prediction_that_the_spread_model_misjudges_is_helped_half_the_way() -> None:
    random = np.random.default_rng(7)

    def drawn(rows: int) -> tuple[Vector, Vector]:
        predictions = random.uniform(0, 10, rows)
        return predictions, np.abs(random.normal(0, np.where(predictions > 7, 5.0, 1.0)))

    predictions, errors = drawn(8000)
    roots = np.ones(8000)
    banded = Quantiles.of(errors, roots, 1.0, predictions)
    plain = Quantiles.of(errors, roots, 1.0)
    assert len(banded.factors) == 10
    assert Quantiles.from_bytes(banded.to_bytes()) == banded
    predictions, errors = drawn(8000)
    misjudged = predictions > 7

    def covered(quantiles: Quantiles) -> float:
        half = quantiles.bounds(predictions, roots, 0.9).width / 2
        return float(np.mean((errors <= half)[misjudged]))

    assert covered(plain) < 0.75
    assert covered(plain) + 0.03 < covered(banded) < 0.9


@pytest.mark.parametrize("predictions", [np.zeros(2000), np.linspace(0, 1, 399)])
def test_few_or_equal_predictions_make_one_band(predictions: Vector) -> None:
    errors = np.linspace(0, 1, len(predictions))
    banded = Quantiles.of(errors, np.zeros(len(errors)), 1.0, predictions)
    plain = Quantiles.of(errors, np.zeros(len(errors)), 1.0)
    assert banded.quantile(0.9) == plain.quantile(0.9)
    assert {*banded.factors} == {1.0}


KEPT: dict[str, Any] = {
    "floor": 1.0,
    "edges": [3.0],
    "factors": [1.0, 2.0],
    "scores": 50,
    "quantiles": [0.5, 0.5, 2.0],
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"{}",
        json_bytes({**KEPT, "more": 1}),
        json_bytes({**KEPT, "floor": 0.0}),
        json_bytes({**KEPT, "floor": -1.0}),
        json_bytes({**KEPT, "quantiles": []}),
        json_bytes({**KEPT, "edges": []}),
        json_bytes({**KEPT, "edges": [3.0, 2.0], "factors": [1.0, 1.0, 1.0]}),
        json_bytes({**KEPT, "factors": [1.0, 0.0]}),
        json_bytes({**KEPT, "quantiles": [2.0, 1.0]}),
        json_bytes({**KEPT, "quantiles": [-1.0, 1.0]}),
        json_bytes({**KEPT, "quantiles": ["1"]}),
        json_bytes({**KEPT, "quantiles": [1.0] * 492}),
        json_bytes(KEPT).replace(b"2.0", b"Infinity"),
        json_bytes(KEPT).replace(b"1.0", b"NaN"),
        json_bytes(KEPT).replace(b"0.5", b"NaN"),
    ],
)
def test_what_holds_no_quantiles_is_rejected_by_name(content: bytes) -> None:
    with pytest.raises(ArtefactRejected, match=r"^uncertainty\.json"):
        Quantiles.from_bytes(content)


def test_what_a_spread_model_learns_is_the_root_of_the_error() -> None:
    quantiles = _constant([1.0] * 30)
    errors = np.array([0.0, 1.0, 6.25])
    assert (
        quantiles.error_scale(errors, np.sqrt(errors)) - quantiles.floor
    ).tolist() == errors.tolist()
    assert quantiles.error_scale(np.zeros(1), np.array([-3.0])) == quantiles.floor


def test_a_spread_model_takes_the_features_and_the_prediction() -> None:
    schema = Schema(
        "houses",
        Target("price", "dollars"),
        (Feature("prediction", Kind.NUMBER), Feature("rooms", Kind.NUMBER)),
        (Ratio("prediction_", "prediction", "rooms"),),
    )
    wide = error_scale_schema(schema)
    assert wide.names == ("prediction", "rooms", "prediction__")
    assert wide.ratios == schema.ratios
    rows = error_scale_rows(np.array([[1.0, nan], [3.0, 4.0]]), np.array([5.0, 6.0]))
    assert np.array_equal(rows, [[1.0, nan, 5.0], [3.0, 4.0, 6.0]], equal_nan=True)


@given(st.integers(FOLDS, 500), st.integers(0, 2**32 - 1))
def test_folds_divide_the_rows_into_parts_of_a_size(rows: int, seed: int) -> None:
    parts = folds(rows, seed)
    assert np.sum(parts, axis=0).tolist() == [1] * rows
    sizes = [int(part.sum()) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert [part.tolist() for part in folds(rows, seed)] == [part.tolist() for part in parts]
