"""The layout of a version in MLflow's registry: its tags, and the folder of its files."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from domain.errors import ArtefactRejected
from domain.model.reference import ModelVersion

BUNDLE = "modelport.bundle"
DETAIL = "modelport.detail."

# Below the source of a version.
FILES = "data/bundle"

_CREATED = "modelport.created_at"


def tags_of(bundle_id: str, created_at: datetime, details: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a new version."""
    return {
        BUNDLE: bundle_id,
        _CREATED: created_at.astimezone(UTC).isoformat(),
        **{DETAIL + key: value for key, value in details.items()},
    }


def version_of(
    name: str, number: int, tags: Mapping[str, str], aliases: Iterable[str]
) -> ModelVersion:
    """Return the version that the tags describe.

    Raises:
        ArtefactRejected: modelport has not saved this version.
    """
    label = f"{name}/{number}"
    if BUNDLE not in tags:
        raise ArtefactRejected(f"{label} was not saved by modelport: it has no tag {BUNDLE!r}")
    try:
        created_at = datetime.fromisoformat(tags.get(_CREATED, ""))
    except ValueError as error:
        raise ArtefactRejected(f"{label}: the tag {_CREATED!r} is not a time") from error
    details = {k.removeprefix(DETAIL): v for k, v in tags.items() if k.startswith(DETAIL)}
    return ModelVersion(name, number, tags[BUNDLE], created_at, frozenset(aliases), details)


def missing_file(version: ModelVersion, path: str) -> ArtefactRejected:
    """Return the error for a file that the registry does not have."""
    return ArtefactRejected(f"{version.label}: the bundle is incomplete: {path} does not exist")
