"""Appoint a champion by hand, or go back to the one before."""

from dataclasses import dataclass

from application.model.load_model import LoadModel
from application.promotion.set_champion import SetChampion, resolved
from domain.errors import NotFound
from domain.model.reference import CHAMPION, PREVIOUS, ModelRef, ModelVersion
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome


@dataclass(frozen=True, slots=True)
class Promotion:
    """Who is champion now, and who was."""

    champion: ModelVersion
    replaced: ModelVersion | None

    @property
    def changed(self) -> bool:
        """Whether the alias moved at all."""
        return self.replaced is None or self.replaced.number != self.champion.number


@dataclass(frozen=True)
class PromoteModel:
    """Moves the alias `champion`, after the version proved that it can be loaded.

    The ledger keeps who asked for it, and the reason given.
    """

    load: LoadModel
    appoint: SetChampion

    def __call__(
        self, ref: ModelRef, reason: str = "", action: Action = Action.PROMOTE
    ) -> Promotion:
        """Make the version of a reference the champion.

        Raises:
            NotFound: there is no such version.
            ArtefactRejected: it cannot be loaded; the champion stays.
            Conflict: somebody else moved the alias at the same time; nothing was changed.
        """
        version = self.load.store.resolve(ref)
        bundle = self.load.store.load(version)
        self.load.opened(version, bundle)
        replaced = resolved(self.load.store, ModelRef(ref.name, CHAMPION))
        promotion = Promotion(version, replaced)
        entry = LedgerEntry(
            at=self.appoint.clock(),
            action=action,
            outcome=PromotionOutcome.PROMOTED if promotion.changed else PromotionOutcome.UNCHANGED,
            model=version.name,
            version=version.label,
            champion=replaced.label if replaced else None,
            by=self.appoint.by,
            reasons=(reason or "no reason was given",),
        )
        self.appoint(entry, version, replaced, bundle)
        return promotion

    def rollback(self, name: str, reason: str = "") -> Promotion:
        """Make the champion before this one the champion again.

        Raises:
            NotFound: no champion was ever replaced.
        """
        if resolved(self.load.store, ModelRef(name, PREVIOUS)) is None:
            raise NotFound(
                f"{name} has no champion to go back to: none was ever replaced; "
                f"name a version to go back to"
            )
        return self(ModelRef(name, PREVIOUS), reason, Action.ROLLBACK)
