"""What a model has to keep whomever it replaces: the coverage of its intervals, and its speed."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

from domain.promotion.candidate import Candidate
from domain.promotion.decision import Check
from domain.uncertainty.coverage import SegmentCoverage, Uncertainty


@dataclass(frozen=True, slots=True)
class PromotionChecks:
    """The limits of both.

    Coverage may lie `margin` below the level over all rows, `part_margin` in a part of at least
    `part_rows`, and below that within noise: with `confidence`, by Wilson's interval.
    """

    margin: float
    part_margin: float
    part_rows: int
    confidence: float
    latency_ms: float

    def checks(self, model: Candidate) -> tuple[Check, Check]:
        """Return what was found of coverage and latency."""
        return self.coverage(model.uncertainty), self.latency(model.row_ms, model.new_location_ms)

    def coverage(self, found: Uncertainty | None) -> Check:
        """Return whether intervals hold what they promise, over all rows and in every part."""
        if found is None or not found.rows:
            return Check("coverage", None, "the model gives no intervals")
        least = found.level - self.margin
        highest = self._highest(found)
        held = highest >= least
        parts = [part for part in found.segments if part.rows >= self.part_rows]
        low = [part for part in parts if self._highest(part) < found.level - self.part_margin]
        words = (
            f"{found.coverage:.2%} of {found.rows:,} true values lie in their {found.level:.0%} "
            f"interval, {'which is' if held else 'and not'} at least {least:.2%} within noise; "
            f"{self._of_parts(found.level, parts, low)}"
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

    def _of_parts(
        self, level: float, parts: list[SegmentCoverage], low: list[SegmentCoverage]
    ) -> str:
        if not parts:
            return f"no segment has the {self.part_rows:,} rows to be judged"
        worst = min(parts, key=lambda part: part.coverage)
        least = level - self.part_margin
        return (
            f"{len(low) or 'none'} of {len(parts)} segments with at least {self.part_rows:,} rows "
            f"below {least:.2%} beyond noise; the least covered one is {worst.label} "
            f"({worst.coverage:.2%} of {worst.rows:,})"
        )

    def latency(self, row_ms: float, new_location_ms: float | None) -> Check:
        """Return whether one row is answered in time, also at a place never asked for before."""
        slowest = max(row_ms, new_location_ms or 0.0)
        held = slowest <= self.latency_ms
        there = "" if new_location_ms is None else f", {new_location_ms:.3g} ms at a new location"
        words = (
            f"one row takes {row_ms:.3g} ms{there}, {'within' if held else 'beyond'} "
            f"the budget of {self.latency_ms:g} ms"
        )
        figures = {"row_ms": row_ms, "budget_ms": self.latency_ms}
        if new_location_ms is not None:
            figures["new_location_ms"] = new_location_ms
        return Check("latency", held, words, figures)


def _plausible_share(share: float, rows: int, confidence: float) -> float:
    """Return the upper end of Wilson's interval for a share that was measured on `rows` rows."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    weight = z * z / rows
    spread = z * sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return min((share + weight / 2 + spread) / (1 + weight), 1.0)
