"""The promotion policy: the rules by which a challenger may replace the champion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Any

from domain.errors import Misconfigured
from domain.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Difference, Resampling, difference
from domain.evaluation.segments import Segment
from domain.numbers import readable
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import Check, PromotionDecision
from domain.uncertainty.coverage import SegmentCoverage, Uncertainty

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
    - In every segment of at least `segment_rows` rows, its RMSE is at most `segment_margin` (a
      fraction of the champion's) higher than the champion's, within noise.
    - The coverage of its intervals is at most `coverage_margin` below their level, and at most
      `coverage_segment_margin` in every segment of at least `coverage_rows` rows, within noise.
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
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name in ("segment_rows", "coverage_rows"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("latency_ms", self.latency_ms > 0, "above 0")
        self._require("faster", self.faster > 1, "above 1")
        _ = self.resampling

    def _require(self, name: str, allowed: bool, range_: str) -> None:
        if not allowed:
            label = f"promotion {name.replace('_', ' ')}"
            raise Misconfigured(f"{label}: {getattr(self, name)} is not {range_}")

    @property
    def resampling(self) -> Resampling:
        """The bootstrap behind all comparisons."""
        return Resampling(self.resamples, self.confidence)

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
        reason = (
            f"{champion.label} cannot be compared: {champion.why}; "
            f"promote the new version by hand if that is meant"
        )
        return self._alone(challenger, allowed=False, reason=reason)

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
        checks = (self._coverage(challenger.uncertainty), self._latency(challenger))
        failed = [check.summary for check in checks if check.passed is False]
        reasons = (*failed, reason) if allowed else (reason, *failed)
        return PromotionDecision(allowed and not failed, reasons, checks)

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
            self._coverage(challenger.uncertainty),
            self._latency(challenger),
        )
        reasons = [_compared(found, champion.label), error.summary]
        if tie:
            decided = f"neither RMSE is lower beyond doubt, and {cost.summary}"
            reasons = [decided, *reasons]
        failed = [check.summary for check in checks[2:] if check.passed is False]
        reasons = [*failed, *reasons] if error.passed else [*reasons, *failed]
        if not challenger.trained_on_same_rows(champion):
            reasons.append(
                f"{champion.label} was trained on other rows and may have seen rows of the hold-out"
            )
        promoted = all(check.passed is not False for check in checks)
        return PromotionDecision(promoted, tuple(reasons), checks)

    def _error(self, found: Difference, label: str, *, cheaper: bool) -> Check:
        bar = -self.margin * found.theirs
        if found.high < bar:
            outcome, summary = "win", "the challenger wins"
        elif found.low > 0 or found.estimate > self.tie * found.theirs:
            outcome, summary = "loss", f"{label} wins"
        else:
            outcome, summary = "tie", "not enough" if found.high < 0 else "a tie"
        required = f" (required: {-self.margin:.2%})" if self.margin else ""
        low, high = readable(found.low, "+"), readable(found.high, "+")
        summary = (
            f"with {self.confidence:.0%} confidence the difference is from {low} to "
            f"{high}{required}: {summary}"
        )
        passed = outcome == "win" or (outcome == "tie" and cheaper)
        return Check("error", passed, summary, {**found.to_mapping(), "outcome": outcome})

    def _cost(self, challenger: Candidate, champion: Candidate) -> Check:
        """Check whether the challenger is cheaper: by latency if clear, else by size."""
        figures = {
            "challenger_bytes": challenger.size,
            "champion_bytes": champion.size,
            "challenger_row_ms": challenger.slowest_ms,
            "champion_row_ms": champion.slowest_ms,
        }
        if challenger.slowest_ms * self.faster <= champion.slowest_ms:
            summary = f"it is cheaper: at least {self.faster:g} times as fast as {champion.label}"
            return Check("cost", True, summary, figures)
        if champion.slowest_ms * self.faster <= challenger.slowest_ms:
            summary = (
                f"it is not cheaper: {champion.label} is at least {self.faster:g} times as fast"
            )
            return Check("cost", False, summary, figures)
        cheaper = challenger.size <= champion.size * (1 - self.smaller)
        sizes = f"{challenger.size:,} bytes, {champion.label} has {champion.size:,}"
        required = "" if cheaper else f" (required: {self.smaller:.0%} less)"
        summary = f"it is {'' if cheaper else 'not '}cheaper: {sizes}{required}"
        return Check("cost", cheaper, summary, figures)

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
        figures: dict[str, Any] = {"compared": len(compared), "of": len(segments)}
        if not compared:
            summary = f"no segment has {self.segment_rows:,} rows or more"
            return Check("segments", None, summary, figures)
        worse = [(label, d) for label, d in compared if d.low > self.segment_margin * d.theirs]
        listed = [{"segment": label, **d.to_mapping()} for label, d in compared]
        figures |= {"worse": len(worse), "segments": listed}
        label, least = max(worse or compared, key=lambda pair: pair[1].relative)
        summary = (
            f"{len(worse) or 'none'} of {len(compared)} segments worse by more than "
            f"{self.segment_margin:.2%} beyond noise; the worst is {label} ({least.relative:+.2%})"
        )
        return Check("segments", not worse, summary, figures)

    def _coverage(self, found: Uncertainty | None) -> Check:
        """Check the coverage over all rows and in every segment that is large enough."""
        if found is None or not found.rows:
            return Check("coverage", None, "the model has no intervals")
        least = found.level - self.coverage_margin
        highest = self._highest(found)
        held = highest >= least
        parts = [part for part in found.segments if part.rows >= self.coverage_rows]
        low = [
            part
            for part in parts
            if self._highest(part) < found.level - self.coverage_segment_margin
        ]
        summary = (
            f"coverage of {found.level:.0%} intervals {found.coverage:.2%} on {found.rows:,} "
            f"hold-out rows (required: {least:.2%} within noise); "
            f"{self._covered_segments(found.level, parts, low)}"
        )
        figures: dict[str, Any] = {
            "level": found.level,
            "share": found.coverage,
            "high": highest,
            "rows": found.rows,
            "evaluated": len(parts),
            "below": len(low),
            "segments": [
                {"segment": part.label, "share": part.coverage, "rows": part.rows} for part in parts
            ],
        }
        if parts:
            figures["least"] = min(part.coverage for part in parts)
        return Check("coverage", held and not low, summary, figures)

    def _highest(self, found: Uncertainty | SegmentCoverage) -> float:
        return _plausible_share(found.coverage, found.rows, self.confidence)

    def _covered_segments(
        self, level: float, parts: list[SegmentCoverage], low: list[SegmentCoverage]
    ) -> str:
        if not parts:
            return f"no segment has {self.coverage_rows:,} rows or more"
        worst = min(parts, key=lambda part: part.coverage)
        least = level - self.coverage_segment_margin
        return (
            f"{len(low) or 'none'} of {len(parts)} segments with at least {self.coverage_rows:,} "
            f"rows below {least:.2%} beyond noise; the lowest coverage is in {worst.label} "
            f"({worst.coverage:.2%} of {worst.rows:,})"
        )

    def _latency(self, model: Candidate) -> Check:
        """Check the latency of one row, at a cached and at a new location."""
        row_ms, new_location_ms = model.row_ms, model.new_location_ms
        held = model.slowest_ms <= self.latency_ms
        there = "" if new_location_ms is None else f", {new_location_ms:.3g} ms at a new location"
        summary = (
            f"one row takes {row_ms:.3g} ms{there}, {'within' if held else 'above'} "
            f"the budget of {self.latency_ms:g} ms"
        )
        figures = {"row_ms": row_ms, "budget_ms": self.latency_ms}
        if new_location_ms is not None:
            figures["new_location_ms"] = new_location_ms
        return Check("latency", held, summary, figures)


def _compared(found: Difference, label: str) -> str:
    ours, theirs = found.ours, found.theirs
    order = "lower" if ours < theirs else "not lower" if ours == theirs else "higher"
    return (
        f"RMSE {readable(ours)} is {order} than the {readable(theirs)} of {label} "
        f"on the same {found.rows:,} hold-out rows ({found.relative:+.2%})"
    )


def _plausible_share(share: float, rows: int, confidence: float) -> float:
    """Return the upper bound of Wilson's interval for a share of `rows` rows."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    weight = z * z / rows
    half = z * sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return min((share + weight / 2 + half) / (1 + weight), 1.0)
