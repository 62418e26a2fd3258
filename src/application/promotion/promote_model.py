"""Promote a version by hand, or roll back to the previous champion."""

from dataclasses import dataclass

from application.model.load_model import LoadModel
from application.promotion.set_champion import SetChampion, resolved
from domain.errors import NotFound
from domain.model.reference import CHAMPION, PREVIOUS, ModelRef, ModelVersion
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome


@dataclass(frozen=True, slots=True)
class Promotion:
    """The champion now and before."""

    champion: ModelVersion
    replaced: ModelVersion | None

    @property
    def changed(self) -> bool:
        """Whether the alias moved."""
        return self.replaced is None or self.replaced.number != self.champion.number


@dataclass(frozen=True)
class PromoteModel:
    """Moves the alias `champion` to a version that passes all checks of loading.

    The ledger records who requested it, and the reason.
    """

    load: LoadModel
    set_champion: SetChampion

    def __call__(
        self, ref: ModelRef, reason: str = "", action: Action = Action.PROMOTE
    ) -> Promotion:
        """Make the version of a reference the champion.

        Raises:
            NotFound: there is no such version.
            ArtefactRejected: the version fails a check; the champion stays.
            Conflict: the alias was moved at the same time; nothing is changed.
        """
        version = self.load.store.resolve(ref)
        bundle = self.load.store.load(version)
        self.load.opened(version, bundle)
        replaced = resolved(self.load.store, ModelRef(ref.name, CHAMPION))
        promotion = Promotion(version, replaced)
        entry = LedgerEntry(
            at=self.set_champion.clock(),
            action=action,
            outcome=PromotionOutcome.PROMOTED if promotion.changed else PromotionOutcome.UNCHANGED,
            model=version.name,
            version=version.label,
            champion=replaced.label if replaced else None,
            by=self.set_champion.by,
            reasons=(reason or "no reason was given",),
        )
        self.set_champion(entry, version, replaced, bundle)
        return promotion

    def rollback(self, name: str, reason: str = "") -> Promotion:
        """Make the previous champion the champion again.

        Raises:
            NotFound: no champion was replaced before.
        """
        if resolved(self.load.store, ModelRef(name, PREVIOUS)) is None:
            raise NotFound(f"{name} has no previous champion; name a version to promote instead")
        return self(ModelRef(name, PREVIOUS), reason, Action.ROLLBACK)
