"""Files that are there wholly or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from uuid import uuid4

from domain.errors import Unavailable


def json_line(value: object) -> bytes:
    """Return a value as a line of JSON."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what to do when a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror or error}; mend that and run the same "
            f"again, or name another place: what is finished is kept"
        ) from error


@contextmanager
def replacing(
    path: Path, folder: Path, *, content_lasts: bool = True, name_lasts: bool = True
) -> Iterator[BufferedRandom]:
    """Open a file in a folder that takes its name on leaving without an error.

    Then it has reached the disk; a content or a name that need not last is left to the system,
    which is quicker: after a power cut it may be lost.
    """
    temporary = folder / f"{path.name}.{uuid4().hex}.tmp"
    try:
        with temporary.open("w+b") as stream:
            yield stream
            stream.flush()
            if content_lasts:
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if name_lasts:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Return when the names in a folder have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
