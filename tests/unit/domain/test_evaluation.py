from math import isclose, isfinite, sqrt
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dataset import Split
from domain.errors import ArtefactRejected, InvalidData, Misconfigured
from domain.evaluation import (
    PARITY_TOLERANCE,
    Candidate,
    Incomparable,
    Metrics,
    PromotionDecision,
    PromotionPolicy,
    largest_deviation,
    measure,
    require_parity,
)

VALUES = st.floats(-1e6, 1e6)
ERRORS = st.floats(0, 1e6)


def _candidate(
    rmse: float,
    bundle: str = "challenger",
    *,
    simulated: bool = False,
    sha256: str = "d",
    seed: int = 42,
) -> Candidate:
    data: dict[str, Any] = {"sha256": sha256, "simulated": simulated}
    return Candidate(
        f"houses/{bundle}", Metrics(rmse, 1.0, 0.5, 1000), data, Split(seed=seed), bundle
    )


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
    with pytest.raises(ArtefactRejected, match=r"^hold-out: answers differ by up to .* relative"):
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


@given(ERRORS, ERRORS, ERRORS, st.floats(0, 0.99))
def test_the_gate_is_monotone(better: float, worse: float, champion: float, margin: float) -> None:
    better, worse = sorted((better, worse))
    policy, incumbent = PromotionPolicy(margin), _candidate(champion, "3")
    if policy.decide(_candidate(worse), incumbent).promoted:
        assert policy.decide(_candidate(better), incumbent).promoted


@given(ERRORS, st.floats(0, 0.99))
def test_a_model_that_is_only_as_good_does_not_take_over(rmse: float, margin: float) -> None:
    decision = PromotionPolicy(margin).decide(_candidate(rmse), _candidate(rmse, "3"))
    assert not decision.promoted
    assert "is not lower than" in decision.reasons[0]


@given(ERRORS, ERRORS, st.floats(0, 0.99))
def test_two_models_cannot_both_replace_each_other(a: float, b: float, margin: float) -> None:
    policy, one, other = PromotionPolicy(margin), _candidate(a, "1"), _candidate(b, "2")
    assert not (policy.decide(one, other).promoted and policy.decide(other, one).promoted)


@pytest.mark.parametrize(
    ("rmse", "margin", "promoted", "reasons"),
    [
        (99.0, 0.0, True, 1),
        (101.0, 0.0, False, 1),
        (99.0, 0.02, False, 2),
        (97.9, 0.02, True, 1),
        (101.0, 0.02, False, 1),
    ],
)
def test_the_margin_is_a_fraction_of_the_champions_error(
    rmse: float, margin: float, promoted: bool, reasons: int
) -> None:
    decision = PromotionPolicy(margin).decide(_candidate(rmse), _candidate(100.0, "3"))
    assert decision.promoted is promoted
    assert decision.reasons[1:] == ("the gate asks for 2.00% less",)[: reasons - 1]


def test_the_reason_gives_both_figures_and_the_rows() -> None:
    decision = PromotionPolicy().decide(_candidate(45000), _candidate(50000, "3"))
    (reason,) = decision.reasons
    assert reason.startswith("RMSE 45,000.00 is lower than the 50,000.00 of houses/3 on the same")
    assert reason.endswith("1,000 hold-out rows (-10.00%)")


@pytest.mark.parametrize(("sha256", "seed"), [("other", 42), ("d", 43)])
def test_a_champion_that_may_have_seen_the_holdout_is_pointed_out(sha256: str, seed: int) -> None:
    champion = _candidate(50, "3", sha256=sha256, seed=seed)
    decision = PromotionPolicy().decide(_candidate(45), champion)
    assert decision.promoted
    assert decision.reasons[1].startswith("houses/3 learnt from other rows")


def test_the_first_model_is_champion() -> None:
    decision = PromotionPolicy(0.5).decide(_candidate(1e9), None)
    assert (decision.promoted, decision.reasons) == (True, ("there is no champion yet",))


def test_the_champion_itself_stays_champion() -> None:
    decision = PromotionPolicy(0.5).decide(_candidate(50, "3"), _candidate(50, "3"))
    assert (decision.promoted, decision.reasons) == (True, ("identical to the champion houses/3",))


@given(ERRORS, ERRORS)
def test_real_data_beats_simulated_whatever_the_figures(ours: float, theirs: float) -> None:
    policy = PromotionPolicy()
    real, made_up = _candidate(ours, "1"), _candidate(theirs, "2", simulated=True)
    assert policy.decide(real, made_up).promoted
    refused = policy.decide(made_up, real)
    assert not refused.promoted
    assert refused.reasons == ("trained on simulated data, while houses/1 learnt from real data",)


def test_simulated_models_compete_with_each_other() -> None:
    policy = PromotionPolicy()
    better, worse = _candidate(1, "1", simulated=True), _candidate(2, "2", simulated=True)
    assert policy.decide(better, worse).promoted
    assert not policy.decide(worse, better).promoted


@given(ERRORS, st.booleans())
def test_a_champion_that_cannot_be_compared_says_itself_if_it_may_go(
    rmse: float, may_be_replaced: bool
) -> None:
    champion = Incomparable("houses/3", "golden rows differ", may_be_replaced)
    decision = PromotionPolicy().decide(_candidate(rmse), champion)
    assert decision.promoted is may_be_replaced
    assert decision.reasons == ("houses/3 cannot be compared: golden rows differ",)


@pytest.mark.parametrize("margin", [-0.1, 1.0, float("nan")])
def test_a_margin_that_makes_no_sense_is_refused(margin: float) -> None:
    with pytest.raises(Misconfigured, match=r"promotion margin: .* is not from 0 to below 1"):
        PromotionPolicy(margin)


@given(st.lists(VALUES, min_size=1), st.lists(VALUES, min_size=1))
def test_a_deviation_is_a_number_of_at_least_zero(a: list[float], b: list[float]) -> None:
    deviation = largest_deviation(np.array(a), np.array(b))
    assert deviation >= 0
    assert isfinite(deviation) == (len(a) == len(b))


def test_a_promotion_that_was_not_asked_for_is_withheld_and_says_so() -> None:
    decision = PromotionDecision(True, ("RMSE is lower",)).withheld()
    assert decision == PromotionDecision(False, ("promotion was not asked for", "RMSE is lower"))
    assert decision.withheld() == decision
    assert decision.to_tags() == {
        "promoted": "false",
        "decision": "promotion was not asked for; RMSE is lower",
    }
