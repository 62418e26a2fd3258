"""What the gate decided, and each thing that it looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the gate looked at: in words and in figures; `passed` is None if not judged."""

    name: str
    passed: bool | None
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))

    @property
    def verdict(self) -> str:
        """The outcome in a word or two."""
        return {True: "passed", False: "failed", None: "not judged"}[self.passed]

    def to_mapping(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "words": self.words,
            **self.figures,
        }


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Whether the challenger becomes champion; `reasons` say why, `checks` all that was found."""

    promoted: bool
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    def withheld(self) -> "PromotionDecision":
        """Return what the decision is where promotion was not asked for."""
        if not self.promoted:
            return self
        reasons = ("promotion was not asked for", *self.reasons)
        return replace(self, promoted=False, reasons=reasons)

    def to_mapping(self) -> dict[str, Any]:
        """Return the decision as JSON values."""
        return {
            "promoted": self.promoted,
            "reasons": list(self.reasons),
            "checks": [check.to_mapping() for check in self.checks],
        }

    def to_tags(self) -> dict[str, str]:
        """Return what a tracker keeps with the run."""
        verdicts = {f"gate.{check.name}": check.verdict for check in self.checks}
        reasons = "; ".join(self.reasons)
        return {"promoted": str(self.promoted).lower(), "decision": reasons, **verdicts}

    def to_metrics(self) -> dict[str, float]:
        """Return the figures of the checks, under names that a tracker takes."""
        return {
            f"gate.{check.name}.{name}": float(value)
            for check in self.checks
            for name, value in check.figures.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
