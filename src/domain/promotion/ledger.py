"""The ledger: the append-only record of promotion decisions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from domain.promotion.decision import PromotionDecision


class Action(StrEnum):
    """The action that led to a decision."""

    TRAIN = "train"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class PromotionOutcome(StrEnum):
    """The outcome: only `promoted` changes the champion.

    A promotion is recorded as `begun` before the alias moves. If nothing follows, the process was
    killed, or the store did not answer: the alias tells whether it moved.
    """

    BEGUN = "begun"
    PROMOTED = "promoted"
    REFUSED = "refused"
    WITHHELD = "withheld"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One decision about `version`; `champion` is the one before, None without one.

    `by` is who requested it; `evidence` is what the decision is based on, as JSON values.
    """

    at: datetime
    action: Action
    outcome: PromotionOutcome
    model: str
    version: str
    champion: str | None
    by: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def failed(self, why: str) -> "LedgerEntry":
        """Return the entry of a decision that could not be carried out."""
        return replace(self, outcome=PromotionOutcome.CONFLICT, reasons=(why,), evidence={})

    @property
    def begun(self) -> "LedgerEntry":
        """The entry of this decision before it is carried out."""
        return replace(self, outcome=PromotionOutcome.BEGUN)

    def to_mapping(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {
            "at": self.at.astimezone(UTC).isoformat(),
            "action": self.action.value,
            "outcome": self.outcome.value,
            "model": self.model,
            "version": self.version,
            "champion": self.champion,
            "by": self.by,
            "reasons": list(self.reasons),
            "evidence": dict(self.evidence),
        }

    def to_line(self) -> bytes:
        """Return the entry as one line of JSON, without its end."""
        return json.dumps(self.to_mapping(), ensure_ascii=False, allow_nan=False).encode()


def outcome_of(
    decision: PromotionDecision, *, requested: bool, unchanged: bool
) -> PromotionOutcome:
    """Return the outcome of a decision."""
    if decision.promoted:
        return PromotionOutcome.UNCHANGED if unchanged else PromotionOutcome.PROMOTED
    return PromotionOutcome.REFUSED if requested else PromotionOutcome.WITHHELD


def without_ended(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Return the entries without those of promotions that were begun and have ended."""
    ended = {
        (entry.at, entry.version)
        for entry in entries
        if entry.outcome is not PromotionOutcome.BEGUN
    }
    return [
        entry
        for entry in entries
        if entry.outcome is not PromotionOutcome.BEGUN or (entry.at, entry.version) not in ended
    ]
