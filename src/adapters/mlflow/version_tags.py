"""How MLflow's registry keeps a version of ours: what its tags say, and where its files are."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from domain.errors import ArtefactRejected
from domain.model.reference import ModelVersion

BUNDLE = "modelport.bundle"
CREATED = "modelport.created_at"
DETAIL = "modelport.detail."

# Below what MLflow calls the source of a version.
FILES = "data/bundle"


class Registered(Protocol):
    """A version as MLflow tells it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str | int: ...
    @property
    def tags(self) -> Mapping[str, str]: ...


def is_ours(found: Registered) -> bool:
    """Tell whether a version was saved by modelport."""
    return BUNDLE in found.tags


def version_of(found: Registered, aliases: Iterable[str]) -> ModelVersion:
    """Return what is registered as the version that was saved.

    Raises:
        ArtefactRejected: it was not saved by modelport.
    """
    label = f"{found.name}/{found.version}"
    if not is_ours(found):
        raise ArtefactRejected(f"{label} was not saved by modelport: it has no tag {BUNDLE!r}")
    details = {k.removeprefix(DETAIL): v for k, v in found.tags.items() if k.startswith(DETAIL)}
    try:
        created_at = datetime.fromisoformat(found.tags.get(CREATED, ""))
    except ValueError as error:
        raise ArtefactRejected(f"{label}: the tag {CREATED!r} is not a time") from error
    return ModelVersion(
        found.name, int(found.version), found.tags[BUNDLE], created_at, frozenset(aliases), details
    )
