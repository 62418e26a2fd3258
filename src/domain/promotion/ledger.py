"""Who became champion, when and why: an account of every decision, in the order they were made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from domain.data.mapping_reader import Reader
from domain.errors import Misconfigured
from domain.promotion.decision import PromotionDecision


class Action(StrEnum):
    """What was asked for."""

    TRAIN = "train"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class PromotionOutcome(StrEnum):
    """What came of it: only `promoted` changes the champion."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    WITHHELD = "withheld"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One decision: `version` is the model it is about, `champion` the one before, if any.

    `by` says who asked, `reasons` why in words, `evidence` is all that was known, as JSON values.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))

    def failed(self, why: str) -> "LedgerEntry":
        """Return the entry for a decision that could not be carried out."""
        return replace(self, outcome=PromotionOutcome.CONFLICT, reasons=(why,), evidence={})

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

    @classmethod
    def from_line(cls, line: bytes, where: str) -> Self:
        """Read an entry back; `where` names the line in messages.

        Raises:
            Misconfigured: it is not one that `to_line` has written.
        """
        try:
            reader = Reader(json.loads(line), where)
            entry = cls(
                at=datetime.fromisoformat(reader.text("at")),
                action=reader.choice("action", Action),
                outcome=reader.choice("outcome", PromotionOutcome),
                model=reader.text("model"),
                version=reader.text("version"),
                champion=reader.text("champion") if reader.mapping["champion"] else None,
                by=reader.text("by"),
                reasons=reader.texts("reasons"),
                evidence=reader.mapping_of("evidence"),
            )
        except (ValueError, KeyError, RecursionError) as error:
            raise Misconfigured(f"{where} is not an entry of a ledger: {error}") from error
        return entry


def outcome_of(decision: PromotionDecision, *, asked: bool, unchanged: bool) -> PromotionOutcome:
    """Return what a decision of the gate means for the champion."""
    if decision.promoted:
        return PromotionOutcome.UNCHANGED if unchanged else PromotionOutcome.PROMOTED
    return PromotionOutcome.REFUSED if asked else PromotionOutcome.WITHHELD
