"""Appoint a champion by hand, or go back to the one before."""

from contextlib import suppress
from dataclasses import dataclass, replace

from application.loading import LoadModel
from application.ports import BundleCache, ModelStore
from domain.errors import Conflict, ModelportError, NotFound
from domain.model import CHAMPION, PREVIOUS, Bundle, ModelRef, ModelVersion


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
    """Moves the alias `champion`, after the version proved that it can be loaded."""

    store: ModelStore
    load: LoadModel
    cache: BundleCache

    def __call__(self, ref: ModelRef) -> Promotion:
        """Make the version of a reference the champion.

        Raises:
            NotFound: there is no such version.
            ArtefactRejected: it cannot be loaded; the champion stays.
            Conflict: somebody else moved the alias at the same time; nothing was changed.
        """
        version = self.store.resolve(ref)
        bundle = self.store.load(version)
        self.load.opened(version, bundle)
        replaced = _resolve(self.store, ModelRef(ref.name, CHAMPION))
        appoint(self.store, version, replaced)
        keep(self.cache, version, bundle)
        return Promotion(version, replaced)

    def rollback(self, name: str) -> Promotion:
        """Make the champion before this one the champion again.

        Raises:
            NotFound: no champion was ever replaced.
        """
        if _resolve(self.store, ModelRef(name, PREVIOUS)) is None:
            raise NotFound(
                f"{name} has no champion to go back to: none was ever replaced; "
                f"name a version to go back to"
            )
        return self(ModelRef(name, PREVIOUS))


def appoint(store: ModelStore, version: ModelVersion, replaced: ModelVersion | None) -> None:
    """Point `champion` to a version if it still points to `replaced`, which becomes `previous`.

    Raises:
        Conflict: the alias points elsewhere by now; nothing was changed.
    """
    if replaced is not None and replaced.number == version.number:
        return
    expected = replaced.number if replaced else None
    store.set_alias(version.name, CHAMPION, version.number, expected)
    if replaced is not None:
        before = _resolve(store, ModelRef(version.name, PREVIOUS))
        # Whoever was faster here appointed a later champion and has said what it replaced.
        with suppress(Conflict):
            store.set_alias(
                version.name, PREVIOUS, replaced.number, before.number if before else None
            )


def keep(cache: BundleCache, champion: ModelVersion, bundle: Bundle) -> None:
    """Let a server that starts find the new champion at hand; a cache may fail to take it."""
    appointed = replace(champion, aliases=champion.aliases | {CHAMPION})
    with suppress(ModelportError):
        cache.keep(ModelRef(champion.name), appointed, bundle)


def _resolve(store: ModelStore, ref: ModelRef) -> ModelVersion | None:
    try:
        return store.resolve(ref)
    except NotFound:
        return None
