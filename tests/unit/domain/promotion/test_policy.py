from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.data.dataset import DatasetIdentity
from domain.data.feature import Vector
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.evaluation.metrics import Metrics
from domain.evaluation.segments import Segment
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import PromotionDecision
from domain.promotion.policy import PromotionPolicy
from domain.uncertainty.coverage import Coverage, SegmentCoverage, Uncertainty

ERRORS = st.floats(0, 1e6)
ROWS = 40
LISTS = st.lists(ERRORS, min_size=ROWS, max_size=ROWS)
COSTS = st.tuples(st.integers(1, 10_000), st.floats(0.01, 5))
HALVES = (
    Segment("place", "sea", np.arange(ROWS) < ROWS // 2),
    Segment("place", "land", np.arange(ROWS) >= ROWS // 2),
)


def _candidate(
    error: float | list[float] | Vector,
    bundle: str = "challenger",
    *,
    simulated: bool = False,
    sha256: str = "d",
    seed: int = 42,
    size: int = 1000,
    row_ms: float = 1.0,
    coverage: Uncertainty | None = None,
    new_location_ms: float | None = None,
) -> Candidate:
    squared = np.square(np.full(ROWS, error) if isinstance(error, float | int) else error)
    data = DatasetIdentity(sha256, None, ROWS, simulated)
    metrics = Metrics(float(np.sqrt(np.mean(squared))), 1.0, 0.5, ROWS)
    return Candidate(
        label=f"houses/{bundle}",
        metrics=metrics,
        squared=squared,
        data=data,
        split=Split(seed=seed),
        bundle_id=bundle,
        size=size,
        row_ms=row_ms,
        uncertainty=coverage,
        new_location_ms=new_location_ms,
    )


def _part(by: str, segment: str, coverage: float, rows: int) -> SegmentCoverage:
    return SegmentCoverage(by, segment, rows, coverage, 1.0)


def _covered(
    level: float, coverage: float, rows: int, segments: tuple[SegmentCoverage, ...] = ()
) -> Uncertainty:
    constant = Coverage(rows, coverage, 1.0)
    return Uncertainty("m", "g", 1, level, rows, coverage, 1.0, constant, 0.0, (), segments)


def _check(decision: PromotionDecision, name: str) -> Any:
    return next(check for check in decision.checks if check.name == name)


@given(LISTS, LISTS, LISTS, COSTS, COSTS, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_challenger_that_is_better_everywhere_never_loses_where_a_worse_one_wins(
    errors: list[float],
    more: list[float],
    champion: list[float],
    ours: tuple[int, float],
    theirs: tuple[int, float],
    margin: float,
    segment_margin: float,
) -> None:
    policy = PromotionPolicy(margin, segment_margin=segment_margin, segment_rows=10, resamples=100)
    incumbent = _candidate(champion, "3", size=theirs[0], row_ms=theirs[1])
    worse = np.add(errors, more)
    size, row_ms = ours
    if policy.decide(_candidate(worse, size=size, row_ms=row_ms), incumbent, HALVES).promoted:
        better = _candidate(errors, size=size, row_ms=row_ms)
        assert policy.decide(better, incumbent, HALVES).promoted


@given(LISTS, LISTS, COSTS, COSTS, st.floats(0, 0.5))
def test_two_models_cannot_both_replace_each_other(
    a: list[float],
    b: list[float],
    cost_a: tuple[int, float],
    cost_b: tuple[int, float],
    margin: float,
) -> None:
    policy = PromotionPolicy(margin, resamples=100)
    one = _candidate(a, "1", size=cost_a[0], row_ms=cost_a[1])
    other = _candidate(b, "2", size=cost_b[0], row_ms=cost_b[1])
    assert not (policy.decide(one, other).promoted and policy.decide(other, one).promoted)


@given(LISTS, st.floats(0, 0.99))
def test_an_equal_model_is_not_promoted(errors: list[float], margin: float) -> None:
    decision = PromotionPolicy(margin).decide(_candidate(errors), _candidate(errors, "3"))
    assert not decision.promoted
    assert "is not lower than" in decision.reasons[1]
    assert "it is not cheaper: 1,000 bytes, houses/3 has 1,00" in decision.reasons[0]


@given(LISTS, LISTS)
def test_the_same_evidence_gives_the_same_decision(a: list[float], b: list[float]) -> None:
    policy = PromotionPolicy(segment_rows=10)
    decided = [policy.decide(_candidate(a), _candidate(b, "3"), HALVES) for _ in range(2)]
    assert decided[0] == decided[1]
    assert decided[0].to_mapping() == decided[1].to_mapping()


@pytest.mark.parametrize(
    ("rmse", "margin", "promoted", "said"),
    [
        (99.0, 0.0, True, "to -1.0000: the challenger wins"),
        (100.1, 0.0, False, "to +0.1000: houses/3 wins"),
        (101.5, 0.0, False, "to +1.5000: houses/3 wins"),
        (99.0, 0.02, False, "to -1.0000 (required: -2.00%): not enough"),
        (97.9, 0.02, True, "to -2.1000 (required: -2.00%): the challenger wins"),
    ],
)
def test_the_margin_is_a_fraction_of_the_champions_error(
    rmse: float, margin: float, promoted: bool, said: str
) -> None:
    decision = PromotionPolicy(margin).decide(_candidate(rmse), _candidate(100.0, "3"))
    assert decision.promoted is promoted
    assert any(reason.endswith(said) for reason in decision.reasons)


def test_the_reason_gives_both_figures_the_rows_and_the_confidence() -> None:
    decision = PromotionPolicy().decide(_candidate(45000), _candidate(50000, "3"))
    first, second = decision.reasons
    assert first == (
        "RMSE 45,000.00 is lower than the 50,000.00 of houses/3 on the same 40 hold-out rows "
        "(-10.00%)"
    )
    assert second == (
        "with 95% confidence the difference is from -5,000.00 to -5,000.00: the challenger wins"
    )


def test_a_lower_error_that_may_be_chance_is_a_tie() -> None:
    random = np.random.default_rng(1)
    errors = random.uniform(50, 150, ROWS)
    other = errors + random.normal(8, 40, ROWS)
    decision = PromotionPolicy().decide(_candidate(errors), _candidate(other, "3"))
    assert "is lower than" in decision.reasons[1]
    assert decision.reasons[2].endswith(": a tie")
    assert not decision.promoted


@pytest.mark.parametrize(
    ("size", "row_ms", "promoted", "said"),
    [
        (900, 1.0, True, "it is cheaper: 900 bytes, houses/3 has 1,000"),
        (901, 1.0, False, "(required: 10% less)"),
        (900, 1.9, True, "it is cheaper: 900 bytes"),
        (100, 2.0, False, "it is not cheaper: houses/3 is at least 2 times as fast"),
        (9000, 0.5, True, "it is cheaper: at least 2 times as fast as houses/3"),
        (9000, 0.51, False, "it is not cheaper: 9,000 bytes"),
    ],
)
def test_a_tie_is_won_by_the_cheaper_model(
    size: int, row_ms: float, promoted: bool, said: str
) -> None:
    challenger = _candidate(100.0, size=size, row_ms=row_ms)
    decision = PromotionPolicy().decide(challenger, _candidate(100.0, "3"))
    assert decision.promoted is promoted
    assert said in decision.reasons[0]


def test_a_worse_model_does_not_win_by_cost() -> None:
    errors = [0.0] * (ROWS - 1) + [100.0]
    noisy = [0.0] * (ROWS - 2) + [100.0, 40.0]
    decision = PromotionPolicy().decide(_candidate(noisy, size=1), _candidate(errors, "3"))
    assert not decision.promoted
    assert decision.reasons[1].endswith(": houses/3 wins")


def test_a_better_average_does_not_make_up_for_a_worse_segment() -> None:
    ours = [10.0] * (ROWS // 2) + [56.0] * (ROWS // 2)
    champion = _candidate(50.0, "3")
    decision = PromotionPolicy(segment_rows=20).decide(_candidate(ours), champion, HALVES)
    assert not decision.promoted
    assert decision.reasons[0] == (
        "1 of 2 segments worse by more than 5.00% beyond noise; the worst is place land (+12.00%)"
    )
    kinder = PromotionPolicy(segment_rows=20, segment_margin=0.13)
    assert kinder.decide(_candidate(ours), champion, HALVES).promoted
    blind = PromotionPolicy(segment_rows=21).decide(_candidate(ours), champion, HALVES)
    assert blind.promoted
    assert _check(blind, "segments").summary == "no segment has 21 rows or more"


def test_a_segment_that_is_worse_within_noise_passes() -> None:
    random = np.random.default_rng(3)
    errors = random.uniform(50, 150, ROWS)
    ours = errors - 30
    ours[ROWS // 2 :] = errors[ROWS // 2 :] + random.normal(12, 60, ROWS // 2)
    decision = PromotionPolicy(segment_rows=20).decide(
        _candidate(ours), _candidate(errors, "3"), HALVES
    )
    check = _check(decision, "segments")
    land = check.figures["segments"][1]
    assert land["difference"] > 0.05 * land["champion_rmse"] > land["low"]
    assert check.passed
    assert "the worst is place land" in check.summary


@pytest.mark.parametrize("champion", [None, _candidate(100.0, "3")])
@pytest.mark.parametrize(
    ("inside", "rows", "held"),
    [(900, 1000, True), (871, 1000, True), (868, 1000, False), (80, 100, False), (9, 12, True)],
)
def test_coverage_is_required_over_all_rows(
    champion: Candidate | None, inside: int, rows: int, held: bool
) -> None:
    challenger = _candidate(90.0, coverage=_covered(0.9, inside / rows, rows))
    decision = PromotionPolicy().decide(challenger, champion)
    assert decision.promoted is held
    assert _check(decision, "coverage").passed is held
    assert ("coverage of 90% intervals" in decision.reasons[0]) is not held


@pytest.mark.parametrize("champion", [None, _candidate(100.0, "3")])
@pytest.mark.parametrize(
    ("share", "rows", "held", "said"),
    [
        (0.85, 200, True, "none of 2 segments with at least 200 rows below 85.00% beyond noise"),
        (0.82, 200, True, "none of 2 segments with at least 200 rows below 85.00% beyond noise"),
        (0.79, 200, False, "1 of 2 segments with at least 200 rows below 85.00% beyond noise"),
        (0.82, 2000, False, "1 of 2 segments with at least 200 rows below 85.00% beyond noise"),
        (0.5, 199, True, "none of 1 segments with at least 200 rows below 85.00%"),
    ],
)
def test_coverage_is_required_in_every_large_segment(
    champion: Candidate | None, share: float, rows: int, held: bool, said: str
) -> None:
    parts = (_part("place", "sea", 0.9, 800), _part("place", "land", share, rows))
    challenger = _candidate(90.0, coverage=_covered(0.9, 0.9, 1000, parts))
    decision = PromotionPolicy().decide(challenger, champion)
    check = _check(decision, "coverage")
    assert said in check.summary
    assert check.passed is held
    assert decision.promoted is held
    assert (check.summary in decision.reasons) is not held
    assert check.figures["below"] == (not held)


def test_the_least_covered_segment_is_named_with_its_figures() -> None:
    parts = (_part("place", "sea", 0.93, 800), _part("place", "land", 0.87, 250))
    decision = PromotionPolicy().decide(
        _candidate(90.0, coverage=_covered(0.9, 0.9, 1050, parts)), None
    )
    check = _check(decision, "coverage")
    assert check.summary.endswith("the lowest coverage is in place land (87.00% of 250)")
    assert check.figures["least"] == 0.87
    assert check.figures["segments"][1] == {"segment": "place land", "share": 0.87, "rows": 250}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 2000)), max_size=6),
    st.lists(st.floats(0, 0.5), min_size=6, max_size=6),
    st.floats(0, 0.3),
)
def test_higher_coverage_never_fails_where_lower_passes(
    parts: list[tuple[float, int]], more: list[float], margin: float
) -> None:
    policy = PromotionPolicy(coverage_segment_margin=margin)

    def covering(shares: list[float]) -> bool:
        found = tuple(
            _part("part", f"{n}", share, rows)
            for n, (share, (_, rows)) in enumerate(zip(shares, parts, strict=True))
        )
        return policy.decide(
            _candidate(1.0, coverage=_covered(0.9, 0.9, 5000, found)), None
        ).promoted

    shares = [share for share, _ in parts]
    raised = [min(1.0, share + up) for share, up in zip(shares, more, strict=False)]
    if covering(shares):
        assert covering(raised)


def test_the_higher_latency_is_compared_with_the_budget() -> None:
    policy = PromotionPolicy(latency_ms=2.0)
    slow = policy.decide(_candidate(1.0, row_ms=0.1, new_location_ms=2.5), None)
    assert slow.reasons[0] == (
        "one row takes 0.1 ms, 2.5 ms at a new location, above the budget of 2 ms"
    )
    held = policy.decide(_candidate(1.0, row_ms=0.1, new_location_ms=2.0), None)
    assert held.promoted
    assert _check(held, "latency").figures == {
        "row_ms": 0.1,
        "new_location_ms": 2.0,
        "budget_ms": 2.0,
    }


def test_the_higher_latency_decides_which_model_is_cheaper() -> None:
    champion = _candidate(100.0, "3", row_ms=0.1, new_location_ms=0.8)
    challenger = _candidate(100.0, size=900, row_ms=0.3, new_location_ms=0.3)
    cost = _check(PromotionPolicy().decide(challenger, champion), "cost")
    assert cost.passed
    assert (cost.figures["challenger_row_ms"], cost.figures["champion_row_ms"]) == (0.3, 0.8)


@pytest.mark.parametrize(
    "champion",
    [
        None,
        _candidate(100.0, "3"),
        _candidate(100.0, "3", simulated=True),
    ],
)
def test_the_latency_budget_applies_with_and_without_a_champion(
    champion: Candidate | Incomparable | None,
) -> None:
    policy = PromotionPolicy(latency_ms=2.0)
    assert policy.decide(_candidate(1.0, row_ms=2.0), champion).promoted
    slow = policy.decide(_candidate(1.0, row_ms=2.01), champion)
    assert not slow.promoted
    assert slow.reasons[0] == "one row takes 2.01 ms, above the budget of 2 ms"


@pytest.mark.parametrize(("sha256", "seed"), [("other", 42), ("d", 43)])
def test_a_champion_that_may_have_seen_the_holdout_is_pointed_out(sha256: str, seed: int) -> None:
    champion = _candidate(50, "3", sha256=sha256, seed=seed)
    decision = PromotionPolicy().decide(_candidate(45), champion)
    assert decision.promoted
    assert decision.reasons[-1].startswith("houses/3 was trained on other rows")


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
    assert refused.reasons == (
        "trained on simulated data, while houses/1 was trained on real data",
    )


def test_simulated_models_compete_with_each_other() -> None:
    policy = PromotionPolicy()
    better, worse = _candidate(1, "1", simulated=True), _candidate(2, "2", simulated=True)
    assert policy.decide(better, worse).promoted
    assert not policy.decide(worse, better).promoted


@given(ERRORS)
def test_an_incomparable_champion_is_never_replaced(rmse: float) -> None:
    decision = PromotionPolicy().decide(
        _candidate(rmse), Incomparable("houses/3", "golden rows differ")
    )
    assert not decision.promoted
    (reason,) = decision.reasons
    assert reason.startswith("houses/3 cannot be compared: golden rows differ; ")
    assert reason.endswith("promote the new version by hand if that is meant")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"margin": -0.1}, "promotion margin: -0.1 is not from 0 to below 1"),
        ({"margin": 1.0}, "promotion margin: 1.0 is not from 0 to below 1"),
        ({"margin": float("nan")}, "promotion margin: nan is not from 0 to below 1"),
        ({"segment_margin": 1.0}, "promotion segment margin: 1.0 is not"),
        ({"segment_rows": 0}, "promotion segment rows: 0 is not at least 1"),
        ({"coverage_rows": 0}, "promotion coverage rows: 0 is not at least 1"),
        ({"coverage_segment_margin": 1.0}, "promotion coverage segment margin: 1.0 is not"),
        ({"latency_ms": 0.0}, r"promotion latency ms: 0.0 is not above 0"),
        ({"faster": 1.0}, "promotion faster: 1.0 is not above 1"),
        ({"confidence": 1.0}, "confidence: 1.0 is not from 0.5 to below 1"),
        ({"resamples": 99}, "resamples: 99 is not at least 100"),
    ],
)
def test_an_invalid_policy_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        PromotionPolicy(**given)


def test_a_promotion_that_was_not_asked_for_is_withheld_and_says_so() -> None:
    decision = PromotionDecision(True, ("RMSE is lower",)).withheld()
    assert decision == PromotionDecision(False, ("promotion was not requested", "RMSE is lower"))
    assert decision.withheld() == decision
    assert decision.to_tags() == {
        "promoted": "false",
        "decision": "promotion was not requested; RMSE is lower",
    }


def test_a_tracker_gets_results_as_tags_and_figures_as_metrics() -> None:
    decision = PromotionPolicy(segment_rows=20).decide(_candidate(45), _candidate(50, "3"), HALVES)
    assert (
        decision.to_tags().items()
        >= {
            "promoted": "true",
            "gate.error": "passed",
            "gate.cost": "not applicable",
            "gate.segments": "passed",
            "gate.coverage": "not applicable",
            "gate.latency": "passed",
        }.items()
    )
    metrics = decision.to_metrics()
    assert metrics["gate.error.difference"] == -5.0
    assert metrics["gate.latency.row_ms"] == 1.0
    assert metrics["gate.segments.compared"] == 2.0


@given(LISTS)
def test_figures_are_json(errors: list[float]) -> None:
    assume(max(errors) > 0)
    mapping = (
        PromotionPolicy(segment_rows=10)
        .decide(_candidate(errors), _candidate(50.0, "3"), HALVES)
        .to_mapping()
    )
    assert {check["name"] for check in mapping["checks"]} == {
        "error", "cost", "segments", "coverage", "latency",
    }  # fmt: skip
