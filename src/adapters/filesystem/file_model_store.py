"""A model store in a directory."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.files.atomic_writes import create_file, os_errors_as_unavailable, replace_file
from adapters.files.locks import locked
from adapters.filesystem.bundle_folders import (
    BUNDLE_ID,
    read_bundle,
    read_record,
    write_bundle,
)
from adapters.formats.decoding import Decoder
from adapters.formats.manifest_file import read_manifest
from domain.canonical_json import json_bytes
from domain.errors import ArtefactRejected
from domain.model.bundle import Bundle, verified_manifest
from domain.model.manifest import Manifest
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion

_VERSION_FILE = re.compile(r"([1-9][0-9]*)\.json")


class FileStore:
    """A `ModelStore` that threads and processes of one machine may share.

    bundles/<bundle id>/…                  the files of a model
    registry/<model>/versions/<n>.json     the bundle id and the details of a version
    registry/<model>/aliases.json          the version numbers of the aliases

    A version is written after its bundle, so that every registered bundle is complete.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bundles = root / "bundles"
        self._registry = root / "registry"
        self._lock = root / ".lock"

    def names(self) -> list[str]:
        with os_errors_as_unavailable(self._registry):
            if not self._registry.exists():
                return []
            return sorted(f.name for f in self._registry.iterdir() if self._numbers(f.name))

    def versions(self, name: str) -> list[ModelVersion]:
        ModelRef(name)
        with os_errors_as_unavailable(self._registry / name):
            numbers, aliases = self._known(name), self._aliases(name)
            return [self._version(name, number, aliases) for number in numbers]

    def resolve(self, ref: ModelRef) -> ModelVersion:
        with os_errors_as_unavailable(self._registry / ref.name):
            aliases = self._aliases(ref.name)
            number = aliases.get(ref.alias) if ref.alias else ref.number
            if number is not None:
                with suppress(FileNotFoundError):
                    return self._version(ref.name, number, aliases)
            known = self._known(ref.name)
            if number is None:
                raise unknown_alias(ref, aliases)
            raise unknown_version(ModelRef(ref.name, None, number), known)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        ModelRef(name)
        with os_errors_as_unavailable(self._root), locked(self._lock):
            write_bundle(self._bundles, bundle)
            aliases, numbers = self._aliases(name), self._numbers(name)
            for number in numbers:
                version = self._version(name, number, aliases)
                if version.bundle_id == bundle.id:
                    return version
            number = max(numbers, default=0) + 1
            record = _record(bundle.id, created_at, details)
            create_file(self._version_file(name, number), record)
            return self._version(name, number, aliases)

    def manifest(self, version: ModelVersion) -> Manifest:
        with self._reading_bundle(version) as folder:
            content = (folder / Bundle.MANIFEST).read_bytes()
        return verified_manifest(content, version.bundle_id, read_manifest)

    def load(self, version: ModelVersion) -> Bundle:
        with self._reading_bundle(version) as folder:
            return read_bundle(folder)

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        ref = _ref(version)
        with os_errors_as_unavailable(self._root), locked(self._lock):
            kept = self.resolve(ref)
            record = _record(kept.bundle_id, kept.created_at, {**kept.details, **details})
            replace_file(self._version_file(kept.name, kept.number), record)
            return self.resolve(ref)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        with os_errors_as_unavailable(self._registry / name), locked(self._lock):
            self.resolve(ModelRef(name, None, to))
            aliases = self._aliases(name)
            if aliases.get(alias) != expected:
                raise alias_moved(name, alias, aliases.get(alias), expected)
            moved = dict(sorted({**aliases, alias: to}.items()))
            replace_file(self._aliases_file(name), json_bytes(moved))

    @contextmanager
    def _reading_bundle(self, version: ModelVersion) -> Iterator[Path]:
        """Yield the folder of a bundle; a file that does not exist there is an error."""
        folder = self._bundles / version.bundle_id
        with os_errors_as_unavailable(folder):
            if not self._version_file(version.name, version.number).exists():
                raise unknown_version(_ref(version), self._known(version.name))
            try:
                yield folder
            except (FileNotFoundError, IsADirectoryError) as error:
                raise ArtefactRejected(
                    f"{error.filename}: the bundle is incomplete: {error.strerror}"
                ) from error

    def _known(self, name: str) -> list[int]:
        numbers = self._numbers(name)
        if not numbers:
            raise unknown_model(name, self.names())
        return numbers

    def _numbers(self, name: str) -> list[int]:
        folder = self._version_file(name, 1).parent
        files = [file.name for file in folder.iterdir()] if folder.exists() else []
        return sorted(int(found[1]) for file in files if (found := _VERSION_FILE.fullmatch(file)))

    def _version(self, name: str, number: int, aliases: Mapping[str, int]) -> ModelVersion:
        path = self._version_file(name, number)
        record = read_record(_RECORD, path)
        if not BUNDLE_ID.fullmatch(record.bundle):
            raise ArtefactRejected(f"{path}: bundle: expected a SHA-256 digest")
        return ModelVersion(
            name,
            number,
            record.bundle,
            record.created_at,
            frozenset(alias for alias, target in aliases.items() if target == number),
            record.details,
        )

    def _aliases(self, name: str) -> dict[str, int]:
        with suppress(FileNotFoundError):
            return read_record(_ALIASES, self._aliases_file(name))
        return {}

    def _version_file(self, name: str, number: int) -> Path:
        return self._registry / name / "versions" / f"{number}.json"

    def _aliases_file(self, name: str) -> Path:
        return self._registry / name / "aliases.json"


def _ref(version: ModelVersion) -> ModelRef:
    return ModelRef(version.name, None, version.number)


@dataclass(frozen=True, slots=True)
class _VersionRecord:
    bundle: str
    created_at: datetime
    details: Mapping[str, str]


_RECORD = Decoder[_VersionRecord](_VersionRecord)
_ALIASES = Decoder[dict[str, int]](dict[str, int])


def _record(bundle_id: str, created_at: datetime, details: Mapping[str, str]) -> bytes:
    at = created_at.astimezone(UTC).isoformat()
    return json_bytes({"bundle": bundle_id, "created_at": at, "details": dict(details)})
