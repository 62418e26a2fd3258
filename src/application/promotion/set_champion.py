"""Carry out a promotion decision and record it in the ledger."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from application.ports import BundleCache, Ledger, ModelStore
from domain.errors import ModelportError, NotFound
from domain.model.bundle import Bundle
from domain.model.reference import CHAMPION, PREVIOUS, ModelRef, ModelVersion
from domain.promotion.ledger import LedgerEntry, PromotionOutcome


@dataclass(frozen=True)
class SetChampion:
    """Records a decision, then carries it out: no champion changes without an entry.

    `by` is recorded as who decided.
    """

    store: ModelStore
    ledger: Ledger
    cache: BundleCache
    clock: Callable[[], datetime]
    by: str

    def __call__(
        self,
        entry: LedgerEntry,
        version: ModelVersion,
        replaced: ModelVersion | None,
        bundle: Bundle,
    ) -> None:
        """Record an entry and, if it is a promotion, move the alias `champion` to the version.

        `champion` must still point to the replaced version; `previous` points to it afterwards.

        Raises:
            Conflict: the alias has moved; nothing is changed, which is recorded.
            NotFound: the version was deleted; nothing is changed, which is recorded.
            Unavailable: the ledger or the store cannot be reached; see `is_champion`.
        """
        if entry.outcome is PromotionOutcome.PROMOTED:
            self.ledger.append(entry.begun)
            self._move(entry, version, replaced)
        self.ledger.append(entry)
        if entry.outcome in (PromotionOutcome.PROMOTED, PromotionOutcome.UNCHANGED):
            self._keep(version, bundle)

    def is_champion(self, version: ModelVersion) -> bool:
        """Whether the alias `champion` points to a version now."""
        champion = resolved(self.store, ModelRef(version.name))
        return champion is not None and champion.number == version.number

    def _move(
        self, entry: LedgerEntry, version: ModelVersion, replaced: ModelVersion | None
    ) -> None:
        expected = replaced.number if replaced else None
        try:
            self.store.set_alias(version.name, CHAMPION, version.number, expected)
        except ModelportError as error:
            if not self.is_champion(version):  # the answer of a server may be lost
                self.ledger.append(entry.failed(str(error)))
                raise
        if replaced is not None:
            # Optional: a rollback may name its version. After a conflict, another process has
            # promoted a later champion and has set the alias itself.
            with suppress(ModelportError):
                before = resolved(self.store, ModelRef(version.name, PREVIOUS))
                self.store.set_alias(
                    version.name, PREVIOUS, replaced.number, before.number if before else None
                )

    def _keep(self, champion: ModelVersion, bundle: Bundle) -> None:
        """Cache the champion for servers that start later; ignore errors of the cache."""
        promoted = replace(champion, aliases=champion.aliases | {CHAMPION})
        with suppress(ModelportError):
            self.cache.keep(ModelRef(champion.name), promoted, bundle)


def resolved(store: ModelStore, ref: ModelRef) -> ModelVersion | None:
    """Return the version of a reference; None if it does not exist."""
    try:
        return store.resolve(ref)
    except NotFound:
        return None
