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
def replacing(path: Path, folder: Path) -> Iterator[BufferedRandom]:
    """Open a file in a folder that takes its name, safely on disk, on leaving without an error."""
    temporary = folder / f"{path.name}.{uuid4().hex}.tmp"
    try:
        with temporary.open("w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Return when the names in a folder have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
