"""How good a model is, and whether it may replace another."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np

from domain.dataset import Split
from domain.errors import ArtefactRejected, InvalidData, Misconfigured
from domain.feature import Vector

# Two forms of one model may differ by rounding in the last bits of a float64, never by more.
PARITY_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Metrics:
    """Errors on `rows` rows the model did not see; `rmse` and `mae` in units of the target."""

    rmse: float
    mae: float
    r2: float
    rows: int

    def to_mapping(self) -> dict[str, float]:
        """Return the figures by name."""
        return {"rmse": self.rmse, "mae": self.mae, "r2": self.r2, "rows": self.rows}


def measure(target: Vector, predictions: Vector) -> Metrics:
    """Compare predictions with the truth, both of shape (rows,).

    R² is 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    Raises:
        InvalidData: the target is constant, so that there is nothing to explain, or an error is
            too large to be squared.
    """
    with np.errstate(over="ignore"):
        squared = float(np.sum(np.square(target - predictions)))
        spread = float(np.sum(np.square(target - np.mean(target))))
    if spread == 0 or np.ptp(target) == 0:  # a rounded mean may leave a spread of some 1e-33
        raise InvalidData(
            f"the target is constant: all {len(target)} rows have the same value, "
            f"so no model can be told from another"
        )
    if not isfinite(squared) or not isfinite(spread):
        raise InvalidData("the errors of the predictions are too large to be squared")
    return Metrics(
        rmse=sqrt(squared / len(target)),
        mae=float(np.mean(np.abs(target - predictions))),
        r2=1.0 - squared / spread,
        rows=len(target),
    )


def largest_deviation(expected: Vector, actual: Vector) -> float:
    """Return the largest relative difference of two vectors; infinite where one is not finite.

    A value is compared on its own scale or that of the average value, whichever is larger.
    """
    if expected.shape != actual.shape:
        return float("inf")
    if not len(expected):
        return 0.0
    with np.errstate(all="ignore"):
        size = np.abs(expected)
        scale = np.maximum(size, np.mean(size) or 1.0)
        deviations = np.abs(expected - actual) / scale
    comparable = np.isfinite(scale).all() and np.isfinite(deviations).all()
    return float(np.max(deviations)) if comparable else float("inf")


def require_parity(expected: Vector, actual: Vector, what: str) -> float:
    """Return the largest relative deviation of two forms of one model.

    Raises:
        ArtefactRejected: it is more than rounding can explain.
    """
    deviation = largest_deviation(expected, actual)
    if deviation > PARITY_TOLERANCE:
        raise ArtefactRejected(
            f"{what}: answers differ by up to {deviation:.3g} relative "
            f"where {PARITY_TOLERANCE:g} is allowed"
        )
    return deviation


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model at the gate: its score on the common hold-out and what it learnt from."""

    label: str
    metrics: Metrics
    data: Mapping[str, Any]
    split: Split
    bundle_id: str

    def learnt_from_same_rows(self, other: "Candidate") -> bool:
        """Whether both were fitted on the same training rows, so neither saw the hold-out."""
        return self.data.get("sha256") == other.data.get("sha256") and self.split == other.split


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A champion that cannot be scored on the challenger's hold-out.

    One that is broken may be replaced; one with another schema has clients that would be cut off.
    """

    label: str
    why: str
    may_be_replaced: bool


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Whether the challenger becomes champion, and why, in words."""

    promoted: bool
    reasons: tuple[str, ...]

    def withheld(self) -> "PromotionDecision":
        """Return what the decision is where promotion was not asked for."""
        if not self.promoted:
            return self
        return PromotionDecision(False, ("promotion was not asked for", *self.reasons))

    def to_tags(self) -> dict[str, str]:
        """Return what a tracker keeps with the run."""
        return {"promoted": str(self.promoted).lower(), "decision": "; ".join(self.reasons)}


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """A challenger must lower the champion's RMSE by more than `margin` (a fraction of it)."""

    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise Misconfigured(f"promotion margin: {self.margin} is not from 0 to below 1")

    def decide(
        self, challenger: Candidate, champion: Candidate | Incomparable | None
    ) -> PromotionDecision:
        """Compare two candidates that were scored on the same rows; None: there is no champion."""
        if champion is None:
            return PromotionDecision(True, ("there is no champion yet",))
        if isinstance(champion, Incomparable):
            reason = f"{champion.label} cannot be compared: {champion.why}"
            return PromotionDecision(champion.may_be_replaced, (reason,))
        if challenger.bundle_id == champion.bundle_id:
            return PromotionDecision(True, (f"identical to the champion {champion.label}",))
        simulated = bool(challenger.data.get("simulated"))
        if simulated != bool(champion.data.get("simulated")):
            return self._unlike(champion, challenger_simulated=simulated)
        return self._compare(challenger, champion)

    def _unlike(self, champion: Candidate, *, challenger_simulated: bool) -> PromotionDecision:
        if challenger_simulated:
            reason = f"trained on simulated data, while {champion.label} learnt from real data"
        else:
            reason = f"trained on real data, while {champion.label} learnt from simulated data"
        return PromotionDecision(not challenger_simulated, (reason,))

    def _compare(self, challenger: Candidate, champion: Candidate) -> PromotionDecision:
        ours, theirs = challenger.metrics.rmse, champion.metrics.rmse
        promoted = ours < theirs * (1 - self.margin)
        change = (ours - theirs) / theirs if theirs else 0.0
        verdict = "lower" if ours < theirs else "not lower" if ours == theirs else "higher"
        reasons = [
            (
                f"RMSE {ours:,.2f} is {verdict} than the {theirs:,.2f} of {champion.label} "
                f"on the same {challenger.metrics.rows:,} hold-out rows ({change:+.2%})"
            )
        ]
        if self.margin and not promoted and ours < theirs:
            reasons.append(f"the gate asks for {self.margin:.2%} less")
        if not challenger.learnt_from_same_rows(champion):
            reasons.append(
                f"{champion.label} learnt from other rows and may have seen some of the hold-out"
            )
        return PromotionDecision(promoted, tuple(reasons))
