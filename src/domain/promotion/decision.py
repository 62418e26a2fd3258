"""The decision of the promotion gate and its checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the policy with its result; `passed` is None if the rule does not apply."""

    name: str
    passed: bool | None
    summary: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The result as text."""
        return {True: "passed", False: "failed", None: "not applicable"}[self.passed]

    def to_mapping(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {
            "name": self.name,
            "verdict": self.result,
            "words": self.summary,
            **self.figures,
        }


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Whether the challenger becomes champion, with reasons and checks.

    The first reason is the one that decided.
    """

    promoted: bool
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    def withheld(self) -> "PromotionDecision":
        """Return the decision for a training run that does not request promotion."""
        if not self.promoted:
            return self
        reasons = ("promotion was not requested", *self.reasons)
        return replace(self, promoted=False, reasons=reasons)

    def failed(self, why: str) -> "PromotionDecision":
        """Return the decision for a promotion that could not be carried out."""
        return replace(self, promoted=False, reasons=(why, *self.reasons))

    def to_mapping(self) -> dict[str, Any]:
        """Return the decision as JSON values."""
        return {
            "promoted": self.promoted,
            "reasons": list(self.reasons),
            "checks": [check.to_mapping() for check in self.checks],
        }

    def to_tags(self) -> dict[str, str]:
        """Return the tags of the run in a tracker."""
        results = {f"gate.{check.name}": check.result for check in self.checks}
        reasons = "; ".join(self.reasons)
        return {"promoted": str(self.promoted).lower(), "decision": reasons, **results}

    def to_metrics(self) -> dict[str, float]:
        """Return the metrics of the checks for a tracker."""
        return {
            f"gate.{check.name}.{name}": float(value)
            for check in self.checks
            for name, value in check.figures.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
