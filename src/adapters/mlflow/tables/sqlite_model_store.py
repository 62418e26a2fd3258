"""An accelerator: reads versions from MLflow's SQLite database without the mlflow package.

Importing MLflow and opening its database takes two seconds of processor time and 190 MB. Reading
the tables that hold the version of an alias takes a millisecond.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.moved_home import local_path, relocated
from adapters.mlflow.version_tags import BUNDLE, FILES, version_of
from application.ports import ModelStore
from domain.model.bundle import Bundle, verified_manifest
from domain.model.manifest import Manifest
from domain.model.reference import ModelRef, ModelVersion

Answer = TypeVar("Answer")

# The revisions of MLflow's tables that these queries fit; a test compares them with the revision
# of the installed MLflow.
KNOWN_REVISIONS = frozenset({"dc11669786a5"})

_SECONDS = 20
_WORKSPACES = "MLFLOW_ENABLE_WORKSPACES"

_REVISION = "SELECT version_num FROM alembic_version"
_BY_ALIAS = (
    "SELECT version FROM registered_model_aliases"
    " WHERE workspace = 'default' AND name = ? AND alias = ?"
)
_SOURCE = (
    "SELECT coalesce(nullif(storage_location, ''), source) FROM model_versions"
    " WHERE workspace = 'default' AND name = ? AND version = ?"
    " AND current_stage <> 'Deleted_Internal'"
)
_NUMBERS = (
    "SELECT version FROM model_versions JOIN model_version_tags USING (workspace, name, version)"
    " WHERE workspace = 'default' AND name = ? AND key = ?"
    " AND current_stage <> 'Deleted_Internal' ORDER BY version"
)
_NAMES = (
    "SELECT DISTINCT name FROM model_versions JOIN model_version_tags"
    " USING (workspace, name, version)"
    " WHERE workspace = 'default' AND key = ? AND current_stage <> 'Deleted_Internal'"
    " ORDER BY name"
)
_TAGS = (
    "SELECT key, value FROM model_version_tags"
    " WHERE workspace = 'default' AND name = ? AND version = ?"
)
_ALIASES = (
    "SELECT alias FROM registered_model_aliases"
    " WHERE workspace = 'default' AND name = ? AND version = ?"
)


@dataclass(frozen=True, slots=True)
class SqliteModelStore:
    """A `ModelStore` that reads the database itself, and leaves everything else to `ordinary`.

    It reads a database of a known revision, and files in a folder of this machine. `ordinary`
    writes, and answers when a version or a file is not found here.
    """

    database: Path
    ordinary: ModelStore

    def names(self) -> Sequence[str]:
        names = self._query(lambda tables: _column(tables, _NAMES, BUNDLE))
        return self.ordinary.names() if names is None else names

    def versions(self, name: str) -> Sequence[ModelVersion]:
        found = self._query(
            lambda tables: [
                _version(tables, name, number) for number in _column(tables, _NUMBERS, name, BUNDLE)
            ]
        )
        return found or self.ordinary.versions(name)

    def resolve(self, ref: ModelRef) -> ModelVersion:
        return self._query(lambda tables: _find(tables, ref)) or self.ordinary.resolve(ref)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        return self.ordinary.save(name, bundle, created_at, details)

    def manifest(self, version: ModelVersion) -> Manifest:
        found = self._read(version, Bundle.MANIFEST)
        if found is None:
            return self.ordinary.manifest(version)
        return verified_manifest(found.files[Bundle.MANIFEST], version.bundle_id, read_manifest)

    def load(self, version: ModelVersion) -> Bundle:
        return self._read(version, "*") or self.ordinary.load(version)

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        return self.ordinary.annotate(version, details)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self.ordinary.set_alias(name, alias, to, expected)

    def _query(self, read: Callable[[sqlite3.Connection], Answer | None]) -> Answer | None:
        """Return what `read` finds in one transaction; None if the database is not a known one."""
        if os.environ.get(_WORKSPACES):
            return None
        address = f"{self.database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, _SECONDS, uri=True)) as tables:
                tables.execute("BEGIN")
                (revision,) = tables.execute(_REVISION).fetchone() or (None,)
                return read(tables) if revision in KNOWN_REVISIONS else None
        except sqlite3.Error:
            return None

    def _read(self, version: ModelVersion, names: str) -> Bundle | None:
        """Return the files of a version; None if its manifest is not on this machine."""
        folder = self._folder(version)
        try:
            files = [] if folder is None else folder.glob(names)
            bundle = Bundle({file.name: file.read_bytes() for file in files})
        except OSError:
            return None
        return bundle if bundle.id == version.bundle_id else None

    def _folder(self, version: ModelVersion) -> Path | None:
        """Return the folder of a version's files; None if it is not on this machine."""
        sources = self._query(lambda tables: _column(tables, _SOURCE, version.name, version.number))
        path = local_path(relocated(sources[0], self.database.parent)) if sources else None
        return path and path / FILES


def _column(tables: sqlite3.Connection, query: str, *values: str | int) -> list[Any]:
    return [value for (value,) in tables.execute(query, values)]


def _find(tables: sqlite3.Connection, ref: ModelRef) -> ModelVersion | None:
    numbers = [ref.number]
    if ref.alias is not None:
        numbers = _column(tables, _BY_ALIAS, ref.name, ref.alias)
    for number in numbers:
        if number is not None and _column(tables, _SOURCE, ref.name, number):
            return _version(tables, ref.name, number)
    return None


def _version(tables: sqlite3.Connection, name: str, number: int) -> ModelVersion:
    tags = dict(tables.execute(_TAGS, (name, number)))
    return version_of(name, number, tags, _column(tables, _ALIASES, name, number))
