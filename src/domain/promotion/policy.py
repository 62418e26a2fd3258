"""The promotion policy: the rules by which a challenger may replace the champion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import Misconfigured
from domain.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Difference, Resampling, difference
from domain.evaluation.segments import Segment
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.checks import PromotionChecks
from domain.promotion.decision import Check, PromotionDecision

_FRACTIONS = (
    *("margin", "segment_margin", "coverage_margin", "coverage_segment_margin"),
    *("tie", "smaller"),
)


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """The requirements for a challenger.

    - Its RMSE is lower than the champion's by more than `margin` (a fraction of the champion's),
      with `confidence`; or it is a tie (the difference may be zero, and the RMSE is at most
      `tie` higher) and it is cheaper: faster by the factor `faster`, else smaller by `smaller`.
    - In no segment of at least `segment_rows` rows its RMSE is higher than the champion's by
      more than `segment_margin` (a fraction of the champion's), beyond noise.
    - The coverage of its intervals is at most `coverage_margin` below their level, and at most
      `coverage_segment_margin` in every segment of at least `coverage_rows` rows, beyond noise.
    - It predicts one row within `latency_ms` milliseconds, at a cached and at a new location.
    """

    margin: float = 0.0
    confidence: float = CONFIDENCE
    segment_margin: float = 0.05
    segment_rows: int = 100
    coverage_margin: float = 0.01
    coverage_segment_margin: float = 0.05
    coverage_rows: int = 200
    latency_ms: float = 10.0
    tie: float = 0.01
    smaller: float = 0.1
    faster: float = 2.0
    resamples: int = RESAMPLES

    def __post_init__(self) -> None:
        for name in _FRACTIONS:
            value = getattr(self, name)
            if not 0 <= value < 1:
                words = f"promotion {name.replace('_', ' ')}"
                raise Misconfigured(f"{words}: {value} is not from 0 to below 1")
        for name in ("segment_rows", "coverage_rows"):
            if getattr(self, name) < 1:
                words = f"promotion {name.replace('_', ' ')}"
                raise Misconfigured(f"{words}: {getattr(self, name)} is not at least 1")
        if not self.latency_ms > 0:
            raise Misconfigured(f"promotion latency: {self.latency_ms} ms is not above 0")
        if not self.faster > 1:
            raise Misconfigured(f"promotion faster: {self.faster} is not above 1")
        _ = self.resampling

    @property
    def resampling(self) -> Resampling:
        """The bootstrap behind all comparisons."""
        return Resampling(self.resamples, self.confidence)

    @property
    def checks(self) -> PromotionChecks:
        """The checks that apply without a champion, too."""
        return PromotionChecks(
            self.coverage_margin,
            self.coverage_segment_margin,
            self.coverage_rows,
            self.confidence,
            self.latency_ms,
        )

    def decide(
        self,
        challenger: Candidate,
        champion: Candidate | Incomparable | None,
        segments: Sequence[Segment] = (),
    ) -> PromotionDecision:
        """Return the decision on a challenger and a champion scored on the same rows.

        `segments` are of those rows. Without a champion, `champion` is None.
        """
        if isinstance(champion, Candidate):
            return self._decide_against(challenger, champion, segments)
        if champion is None:
            return self._alone(challenger, allowed=True, reason="there is no champion yet")
        reason = f"{champion.label} cannot be compared: {champion.why}"
        return self._alone(challenger, allowed=champion.may_be_replaced, reason=reason)

    def _decide_against(
        self, challenger: Candidate, champion: Candidate, segments: Sequence[Segment]
    ) -> PromotionDecision:
        if challenger.bundle_id == champion.bundle_id:
            reason = f"identical to the champion {champion.label}"
            return PromotionDecision(True, (reason,))
        simulated = challenger.data.simulated
        if simulated != champion.data.simulated:
            ours, theirs = ("simulated", "real") if simulated else ("real", "simulated")
            reason = f"trained on {ours} data, while {champion.label} was trained on {theirs} data"
            return self._alone(challenger, allowed=not simulated, reason=reason)
        return self._compare(challenger, champion, segments)

    def _alone(self, challenger: Candidate, *, allowed: bool, reason: str) -> PromotionDecision:
        checks = self.checks.of(challenger)
        failed = [check.words for check in checks if check.passed is False]
        return PromotionDecision(allowed and not failed, (reason, *failed), checks)

    def _compare(
        self, challenger: Candidate, champion: Candidate, segments: Sequence[Segment]
    ) -> PromotionDecision:
        found = difference(challenger.squared, champion.squared, self.resampling)
        cost = self._cost(challenger, champion)
        error = self._error(found, champion.label, cheaper=bool(cost.passed))
        tie = error.figures["outcome"] == "tie"
        checks = (
            error,
            cost if tie else replace(cost, passed=None),
            self._segments(challenger, champion, segments),
            *self.checks.of(challenger),
        )
        reasons = [_compared(found, champion.label), error.words]
        if tie:
            reasons.append(cost.words)
        reasons += [check.words for check in checks[2:] if check.passed is False]
        if not challenger.trained_on_same_rows(champion):
            reasons.append(
                f"{champion.label} was trained on other rows and may have seen rows of the hold-out"
            )
        promoted = all(check.passed is not False for check in checks)
        return PromotionDecision(promoted, tuple(reasons), checks)

    def _error(self, found: Difference, label: str, *, cheaper: bool) -> Check:
        bar = -self.margin * found.theirs
        if found.high < bar:
            outcome, words = "win", "the challenger wins"
        elif found.low > 0 or found.estimate > self.tie * found.theirs:
            outcome, words = "loss", f"{label} wins"
        else:
            outcome, words = "tie", "not enough" if found.high < 0 else "a tie"
        required = f" (required: {-self.margin:.2%})" if self.margin else ""
        words = (
            f"with {self.confidence:.0%} confidence the difference is from {found.low:+,.2f} "
            f"to {found.high:+,.2f}{required}: {words}"
        )
        passed = outcome == "win" or (outcome == "tie" and cheaper)
        return Check("error", passed, words, {**found.to_mapping(), "outcome": outcome})

    def _cost(self, challenger: Candidate, champion: Candidate) -> Check:
        """Check whether the challenger is cheaper: by latency if clear, else by size."""
        figures = {
            "challenger_bytes": challenger.size,
            "champion_bytes": champion.size,
            "challenger_row_ms": challenger.slowest_ms,
            "champion_row_ms": champion.slowest_ms,
        }
        if challenger.slowest_ms * self.faster <= champion.slowest_ms:
            words = f"it is cheaper: at least {self.faster:g} times as fast as {champion.label}"
            return Check("cost", True, words, figures)
        if champion.slowest_ms * self.faster <= challenger.slowest_ms:
            words = f"it is not cheaper: {champion.label} is at least {self.faster:g} times as fast"
            return Check("cost", False, words, figures)
        cheaper = challenger.size <= champion.size * (1 - self.smaller)
        sizes = f"{challenger.size:,} bytes, {champion.label} has {champion.size:,}"
        required = "" if cheaper else f" (required: {self.smaller:.0%} less)"
        words = f"it is {'' if cheaper else 'not '}cheaper: {sizes}{required}"
        return Check("cost", cheaper, words, figures)

    def _segments(
        self, challenger: Candidate, champion: Candidate, segments: Sequence[Segment]
    ) -> Check:
        compared = [
            (
                segment.label,
                difference(
                    challenger.squared[segment.rows],
                    champion.squared[segment.rows],
                    self.resampling,
                ),
            )
            for segment in segments
            if len(segment) >= self.segment_rows
        ]
        figures: dict[str, Any] = {"judged": len(compared), "of": len(segments)}
        if not compared:
            words = f"no segment has {self.segment_rows:,} rows or more"
            return Check("segments", None, words, figures)
        worse = [(label, d) for label, d in compared if d.low > self.segment_margin * d.theirs]
        listed = [{"segment": label, **d.to_mapping()} for label, d in compared]
        figures |= {"worse": len(worse), "segments": listed}
        label, least = max(worse or compared, key=lambda pair: pair[1].relative)
        words = (
            f"{len(worse) or 'none'} of {len(compared)} segments worse by more than "
            f"{self.segment_margin:.2%} beyond noise; the worst is {label} ({least.relative:+.2%})"
        )
        return Check("segments", not worse, words, figures)


def _compared(found: Difference, label: str) -> str:
    ours, theirs = found.ours, found.theirs
    order = "lower" if ours < theirs else "not lower" if ours == theirs else "higher"
    return (
        f"RMSE {ours:,.2f} is {order} than the {theirs:,.2f} of {label} "
        f"on the same {found.rows:,} hold-out rows ({found.relative:+.2%})"
    )
