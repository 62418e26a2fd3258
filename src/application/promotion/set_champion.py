"""Carrying out a decision about who is champion, with an account of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from application.ports import BundleCache, Ledger, ModelStore
from domain.errors import Conflict, ModelportError, NotFound
from domain.model.bundle import Bundle
from domain.model.reference import CHAMPION, PREVIOUS, ModelRef, ModelVersion
from domain.promotion.ledger import LedgerEntry, PromotionOutcome


@dataclass(frozen=True)
class SetChampion:
    """Writes a decision down, then carries it out: no champion changes without an entry.

    `by` says in the ledger who decided.
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
        """Record an entry and, if that says so, make a version champion in place of another.

        `champion` must still point to the one replaced, to which `previous` points afterwards.

        Raises:
            Conflict: the alias points elsewhere by now; nothing was changed, which is recorded.
            Unavailable: the entry cannot be written; nothing was changed.
        """
        self.ledger.append(entry)
        if entry.outcome is PromotionOutcome.PROMOTED:
            try:
                self._move(version, replaced)
            except Conflict as conflict:
                self.ledger.append(entry.failed(str(conflict)))
                raise
        if entry.outcome in (PromotionOutcome.PROMOTED, PromotionOutcome.UNCHANGED):
            self._keep(version, bundle)

    def _move(self, version: ModelVersion, replaced: ModelVersion | None) -> None:
        expected = replaced.number if replaced else None
        self.store.set_alias(version.name, CHAMPION, version.number, expected)
        if replaced is not None:
            before = resolved(self.store, ModelRef(version.name, PREVIOUS))
            # Whoever was faster here appointed a later champion and has said what it replaced.
            with suppress(Conflict):
                self.store.set_alias(
                    version.name, PREVIOUS, replaced.number, before.number if before else None
                )

    def _keep(self, champion: ModelVersion, bundle: Bundle) -> None:
        """Let a server that starts find the champion at hand; a cache may fail to take it."""
        appointed = replace(champion, aliases=champion.aliases | {CHAMPION})
        with suppress(ModelportError):
            self.cache.keep(ModelRef(champion.name), appointed, bundle)


def resolved(store: ModelStore, ref: ModelRef) -> ModelVersion | None:
    """Return the version that a reference means now; None where it leads nowhere."""
    try:
        return store.resolve(ref)
    except NotFound:
        return None
