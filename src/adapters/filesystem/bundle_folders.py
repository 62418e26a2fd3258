"""Bundles as folders that are named by the bundle's id, and records of versions."""

import re
import shutil
from pathlib import Path

from adapters.files.atomic_writes import plain_name, sync_folder, write_and_sync
from adapters.formats.decoding import Decoded, Decoder
from domain.errors import ArtefactRejected, Misconfigured
from domain.model.bundle import Bundle

BUNDLE_ID = re.compile(r"[0-9a-f]{64}")


def read_bundle(folder: Path) -> Bundle:
    """Return the files in a folder.

    Raises:
        OSError: they cannot be read.
    """
    return Bundle({file.name: file.read_bytes() for file in folder.iterdir()})


def write_bundle(bundles: Path, bundle: Bundle) -> Path:
    """Write the folder of a bundle, unless it exists with the same files; return it.

    The folder appears when it is complete. The caller holds a lock.
    """
    final, partial = bundles / bundle.id, bundles / ".partial"
    if _holds(final, bundle):
        return final
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in bundle.files.items():
        write_and_sync(partial / plain_name(name), content)
    sync_folder(partial)
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    sync_folder(bundles)
    return final


def read_record(decoder: Decoder[Decoded], path: Path) -> Decoded:
    """Decode a JSON file that a store or cache has written.

    Raises:
        OSError: it cannot be read.
        ArtefactRejected: it does not have the form of the decoder.
    """
    content = path.read_bytes()
    try:
        return decoder.json(content, path.name)
    except Misconfigured as error:
        raise ArtefactRejected(f"{path}: not a record of a model version: {error}") from error


def _holds(folder: Path, bundle: Bundle) -> bool:
    if not folder.is_dir() or {file.name for file in folder.iterdir()} != {*bundle.files}:
        return False
    return all((folder / name).read_bytes() == content for name, content in bundle.files.items())
