"""Reads versions from the tables of an SQLite database of MLflow, without MLflow.

Importing MLflow and opening its database takes two seconds of processor time, and some 190 MB;
the three tables that say which version an alias means are read in a millisecond.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from adapters.mlflow.version_tags import BUNDLE, FILES, is_ours, version_of
from application.ports import ModelStore
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion

Answer = TypeVar("Answer")

# Revisions of MLflow's tables that are known to hold what is read here; a test compares them with
# those that the installed MLflow makes.
KNOWN_REVISIONS = frozenset({"dc11669786a5"})

_SECONDS = 20
_WORKSPACES = "MLFLOW_ENABLE_WORKSPACES"

_REVISION = "SELECT version_num FROM alembic_version"
_BY_ALIAS = (
    "SELECT version FROM registered_model_aliases"
    " WHERE workspace = 'default' AND name = ? AND alias = ?"
)
_VERSION = (
    "SELECT coalesce(nullif(storage_location, ''), source) FROM model_versions"
    " WHERE workspace = 'default' AND name = ? AND version = ?"
    " AND current_stage <> 'Deleted_Internal'"
)
_NUMBERS = (
    "SELECT version FROM model_versions"
    " WHERE workspace = 'default' AND name = ? AND current_stage <> 'Deleted_Internal'"
    " ORDER BY version"
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
class TableReads:
    """A `ModelStore` that reads by itself what it can, and else asks `otherwise`.

    It finds versions in a database of a known revision, and files in a folder of this machine. It
    refuses nothing: whatever is not there or cannot be read, `otherwise`, to which all writing
    is left too, may find or explain.
    """

    database: Path
    otherwise: ModelStore

    def names(self) -> Sequence[str]:
        names = self._asked(_names)
        return self.otherwise.names() if names is None else names

    def versions(self, name: str) -> Sequence[ModelVersion]:
        rows = self._asked(partial(_all, name=name))
        found = [version_of(row, row.aliases) for row in rows or () if is_ours(row)]
        return found or self.otherwise.versions(name)

    def resolve(self, ref: ModelRef) -> ModelVersion:
        row = self._asked(partial(_find, ref=ref))
        return self.otherwise.resolve(ref) if row is None else version_of(row, row.aliases)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        return self.otherwise.save(name, bundle, created_at, details)

    def load(self, version: ModelVersion) -> Bundle:
        row = self._asked(partial(_row, name=version.name, number=version.number))
        bundle = None if row is None else _read(row.source)
        return self.otherwise.load(version) if bundle is None else bundle

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        return self.otherwise.annotate(version, details)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self.otherwise.set_alias(name, alias, to, expected)

    def _asked(self, question: Callable[[sqlite3.Connection], Answer | None]) -> Answer | None:
        """Return what the tables hold of one moment; None where that is nothing that is known."""
        if os.environ.get(_WORKSPACES):
            return None
        address = f"{self.database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, _SECONDS, uri=True)) as tables:
                tables.execute("BEGIN")
                (revision,) = tables.execute(_REVISION).fetchone() or (None,)
                return question(tables) if revision in KNOWN_REVISIONS else None
        except sqlite3.Error:
            return None


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    version: int
    source: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


def _names(tables: sqlite3.Connection) -> list[str]:
    return [name for (name,) in tables.execute(_NAMES, (BUNDLE,))]


def _all(tables: sqlite3.Connection, name: str) -> list[_Row]:
    numbers = [number for (number,) in tables.execute(_NUMBERS, (name,))]
    return [row for number in numbers if (row := _row(tables, name, number)) is not None]


def _find(tables: sqlite3.Connection, ref: ModelRef) -> _Row | None:
    if ref.alias is None:
        return _row(tables, ref.name, ref.number)
    (number,) = tables.execute(_BY_ALIAS, (ref.name, ref.alias)).fetchone() or (None,)
    return _row(tables, ref.name, number)


def _row(tables: sqlite3.Connection, name: str, number: int | None) -> _Row | None:
    found = tables.execute(_VERSION, (name, number)).fetchone()
    if number is None or found is None:
        return None
    aliases = tuple(alias for (alias,) in tables.execute(_ALIASES, (name, number)))
    return _Row(name, number, found[0], dict(tables.execute(_TAGS, (name, number))), aliases)


def _read(source: str) -> Bundle | None:
    """Return the files of a version in a folder of this machine; None where there is no such."""
    address = urlsplit(source)
    if address.scheme != "file" or address.netloc or address.query or address.fragment:
        return None
    try:
        folder = Path(url2pathname(address.path)) / FILES
        return Bundle({file.name: file.read_bytes() for file in folder.iterdir()})
    except (OSError, ValueError):
        return None
