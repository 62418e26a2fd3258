"""Files below the home folder, found where the folder is now.

MLflow records absolute addresses. After the home folder was moved, or copied, they name the old
place: files would be missing there, or new ones would be written there.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

ARTIFACTS = "mlartifacts"

_SECONDS = 20
_EXPERIMENTS = (
    "SELECT DISTINCT artifact_location FROM experiments",
    "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?",
)
_FILES = (
    (
        "SELECT DISTINCT artifact_uri FROM runs",
        "UPDATE runs SET artifact_uri = ? WHERE artifact_uri = ?",
    ),
    (
        "SELECT DISTINCT artifact_location FROM logged_models",
        "UPDATE logged_models SET artifact_location = ? WHERE artifact_location = ?",
    ),
    (
        "SELECT DISTINCT source FROM model_versions",
        "UPDATE model_versions SET source = ? WHERE source = ?",
    ),
    (
        "SELECT DISTINCT storage_location FROM model_versions",
        "UPDATE model_versions SET storage_location = ? WHERE storage_location = ?",
    ),
)


def local_path(address: str | None) -> Path | None:
    """Return the path of an address on this machine; None for another address."""
    parts = urlsplit(address or "")
    if parts.scheme not in ("", "file") or parts.netloc or parts.query or parts.fragment:
        return None
    return Path(url2pathname(parts.path)) if parts.path else None


def relocated(address: str, home: Path) -> str:
    """Return the address of the same files in `home`, if they are there; else the given address."""
    path = local_path(address)
    if path is None or path.is_relative_to(home):
        return address
    for n, part in enumerate(path.parts):
        if part == ARTIFACTS and (there := home.joinpath(*path.parts[n:])).exists():
            return there.as_uri()
    return address


def follow_home(database: Path) -> None:
    """Let the database in a home folder name the files where the folder is now."""
    home = database.parent
    with closing(sqlite3.connect(database, _SECONDS)) as tables, tables:
        for known, update in (_EXPERIMENTS, *_FILES):
            for (address,) in tables.execute(known).fetchall():
                found = address and relocated(address, home)
                if found == address and known == _EXPERIMENTS[0]:
                    found = _new_folder(address, home)
                if found != address:
                    tables.execute(update, (found, address))


def _new_folder(address: str | None, home: Path) -> str | None:
    """Return the folder of an experiment that has no files yet, neither here nor there."""
    path = local_path(address)
    if path is None or path.parent.name != ARTIFACTS or path.parent.exists():
        return address
    return (home / ARTIFACTS / path.name).as_uri()
