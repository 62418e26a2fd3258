"""Checks that do not need a champion: coverage of the intervals, and latency."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

from domain.promotion.candidate import Candidate
from domain.promotion.decision import Check
from domain.uncertainty.coverage import SegmentCoverage, Uncertainty


@dataclass(frozen=True, slots=True)
class PromotionChecks:
    """The limits of coverage and latency.

    Coverage may be `margin` below the level over all rows, and `segment_margin` in a segment of at
    least `segment_rows` rows. The upper bound of Wilson's interval at `confidence` is compared.
    """

    margin: float
    segment_margin: float
    segment_rows: int
    confidence: float
    latency_ms: float

    def of(self, model: Candidate) -> tuple[Check, Check]:
        """Return the checks of coverage and latency."""
        return self.coverage(model.uncertainty), self.latency(model.row_ms, model.new_location_ms)

    def coverage(self, found: Uncertainty | None) -> Check:
        """Check the coverage over all rows and in every segment that is large enough."""
        if found is None or not found.rows:
            return Check("coverage", None, "the model has no intervals")
        least = found.level - self.margin
        highest = self._highest(found)
        held = highest >= least
        parts = [part for part in found.segments if part.rows >= self.segment_rows]
        low = [part for part in parts if self._highest(part) < found.level - self.segment_margin]
        words = (
            f"coverage of {found.level:.0%} intervals {found.coverage:.2%} on {found.rows:,} "
            f"hold-out rows (required: {least:.2%} within noise); "
            f"{self._in_segments(found.level, parts, low)}"
        )
        figures: dict[str, Any] = {
            "level": found.level,
            "share": found.coverage,
            "high": highest,
            "rows": found.rows,
            "judged": len(parts),
            "below": len(low),
            "segments": [
                {"segment": part.label, "share": part.coverage, "rows": part.rows} for part in parts
            ],
        }
        if parts:
            figures["least"] = min(part.coverage for part in parts)
        return Check("coverage", held and not low, words, figures)

    def _highest(self, found: Uncertainty | SegmentCoverage) -> float:
        return _plausible_share(found.coverage, found.rows, self.confidence)

    def _in_segments(
        self, level: float, parts: list[SegmentCoverage], low: list[SegmentCoverage]
    ) -> str:
        if not parts:
            return f"no segment has {self.segment_rows:,} rows or more"
        worst = min(parts, key=lambda part: part.coverage)
        least = level - self.segment_margin
        return (
            f"{len(low) or 'none'} of {len(parts)} segments with at least {self.segment_rows:,} "
            f"rows below {least:.2%} beyond noise; the lowest coverage is in {worst.label} "
            f"({worst.coverage:.2%} of {worst.rows:,})"
        )

    def latency(self, row_ms: float, new_location_ms: float | None) -> Check:
        """Check the latency of one row, at a cached and at a new location."""
        slowest = max(row_ms, new_location_ms or 0.0)
        held = slowest <= self.latency_ms
        there = "" if new_location_ms is None else f", {new_location_ms:.3g} ms at a new location"
        words = (
            f"one row takes {row_ms:.3g} ms{there}, {'within' if held else 'above'} "
            f"the budget of {self.latency_ms:g} ms"
        )
        figures = {"row_ms": row_ms, "budget_ms": self.latency_ms}
        if new_location_ms is not None:
            figures["new_location_ms"] = new_location_ms
        return Check("latency", held, words, figures)


def _plausible_share(share: float, rows: int, confidence: float) -> float:
    """Return the upper bound of Wilson's interval for a share of `rows` rows."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    weight = z * z / rows
    half = z * sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return min((share + weight / 2 + half) / (1 + weight), 1.0)
