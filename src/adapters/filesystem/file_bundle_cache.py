"""A cache of bundles in a directory."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from adapters.files.atomic_writes import os_errors_as_unavailable, replace_file
from adapters.files.locks import locked
from adapters.filesystem.bundle_folders import (
    BUNDLE_ID,
    read_bundle,
    read_record,
    write_bundle,
)
from adapters.formats.decoding import Decoder
from domain.canonical_json import json_bytes
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion


class FileBundleCache:
    """A `BundleCache` that threads and processes of one machine may share.

    <bundle id>/…       the files of a bundle
    last/<key>.json     the last good version of a reference

    It keeps the last `versions` bundles, and the last good one of each reference. References of
    different registries are distinguished by `registry`.
    """

    def __init__(self, root: Path, registry: str = "", versions: int = 5) -> None:
        self._root = root
        self._last = root / "last"
        self._lock = root / ".lock"
        self._registry = registry
        self._versions = versions

    def get(self, bundle_id: str) -> Bundle | None:
        folder = self._root / bundle_id
        missing = suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with os_errors_as_unavailable(folder), missing:
            if BUNDLE_ID.fullmatch(bundle_id):
                return read_bundle(folder)
        return None

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        record = {
            "reference": str(ref),
            "name": version.name,
            "number": version.number,
            "bundle": version.bundle_id,
            "created_at": version.created_at.isoformat(),
            "aliases": sorted(version.aliases),
            "details": dict(version.details),
        }
        with os_errors_as_unavailable(self._root), locked(self._lock):
            now = time.time_ns()
            os.utime(write_bundle(self._root, bundle), ns=(now, now))
            replace_file(self._record(ref), json_bytes(record))
            self._remove_old()

    def last_good(self, ref: ModelRef) -> ModelVersion | None:
        path = self._record(ref)
        with os_errors_as_unavailable(path), suppress(FileNotFoundError):
            kept = read_record(_RECORD, path)
            named = (kept.name, kept.number, kept.bundle, kept.created_at)
            return ModelVersion(*named, kept.aliases, kept.details)
        return None

    def _record(self, ref: ModelRef) -> Path:
        key = sha256(f"{self._registry}\n{ref}".encode()).hexdigest()[:16]
        return self._last / f"{ref.name}-{key}.json"

    def _remove_old(self) -> None:
        needed = b"".join(record.read_bytes() for record in self._last.glob("*.json"))
        folders = [f for f in self._root.iterdir() if BUNDLE_ID.fullmatch(f.name)]
        newest_first = sorted(folders, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
        for folder in newest_first[self._versions :]:
            if folder.name.encode() not in needed:
                shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class _Record:
    reference: str
    name: str
    number: int
    bundle: str
    created_at: datetime
    aliases: frozenset[str]
    details: Mapping[str, str]


_RECORD = Decoder[_Record](_Record)
