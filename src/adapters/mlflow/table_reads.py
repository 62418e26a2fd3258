"""Reads versions from the tables of an SQLite database of MLflow, without MLflow.

Importing MLflow and opening its database takes two seconds of processor time, and some 190 MB;
the three tables that say which version an alias means are read in a millisecond.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from adapters.mlflow.versions import FILES, version_of
from application.ports import ModelStore
from domain.model import Bundle, ModelRef, ModelVersion

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
    """A `ModelStore` that resolves and loads by itself what it can, and else asks `otherwise`.

    It finds versions in a database of a known revision, and files in a folder of this machine. It
    refuses nothing: whatever is not there or cannot be read, `otherwise`, to which all writing
    is left too, may find or explain.
    """

    database: Path
    otherwise: ModelStore

    def names(self) -> Sequence[str]:
        return self.otherwise.names()

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return self.otherwise.versions(name)

    def resolve(self, ref: ModelRef) -> ModelVersion:
        row = self._row(ref)
        return self.otherwise.resolve(ref) if row is None else version_of(row, row.aliases)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        return self.otherwise.save(name, bundle, created_at, details)

    def load(self, version: ModelVersion) -> Bundle:
        row = self._row(ModelRef(version.name, None, version.number))
        bundle = None if row is None else _read(row.source)
        return self.otherwise.load(version) if bundle is None else bundle

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        return self.otherwise.annotate(version, details)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self.otherwise.set_alias(name, alias, to, expected)

    def _row(self, ref: ModelRef) -> "_Row | None":
        """Return what the tables hold of one moment; None where that is nothing that is known."""
        if os.environ.get(_WORKSPACES):
            return None
        address = f"{self.database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, _SECONDS, uri=True)) as connection:
                connection.execute("BEGIN")
                return _find(connection, ref)
        except sqlite3.Error:
            return None


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    version: int
    source: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


def _find(tables: sqlite3.Connection, ref: ModelRef) -> _Row | None:
    (revision,) = tables.execute(_REVISION).fetchone() or (None,)
    if revision not in KNOWN_REVISIONS:
        return None
    number = ref.number
    if ref.alias is not None:
        (number,) = tables.execute(_BY_ALIAS, (ref.name, ref.alias)).fetchone() or (None,)
    key = (ref.name, number)
    found = tables.execute(_VERSION, key).fetchone()
    if found is None:
        return None
    aliases = tuple(alias for (alias,) in tables.execute(_ALIASES, key))
    return _Row(ref.name, int(str(number)), found[0], dict(tables.execute(_TAGS, key)), aliases)


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
