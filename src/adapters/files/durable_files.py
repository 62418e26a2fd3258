"""Writing files so that a crash at any point leaves the old content or the new, never a part.

Locks are advisory `flock`s of the operating system: they end with the process that holds them.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from domain.errors import InvalidData, Unavailable

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@contextmanager
def reaching(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into `Unavailable`, naming the path."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise Unavailable(f"{where}: {error.strerror or error}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, made where needed, against every other thread and process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Closing alone is not enough: a process forked meanwhile has the file open too.
            fcntl.flock(file, fcntl.LOCK_UN)


def child(folder: Path, name: str) -> Path:
    """Return the path of a file directly inside a folder.

    Raises:
        InvalidData: the name is not a plain file name.
    """
    if not _PLAIN.fullmatch(name):
        raise InvalidData(
            f"{name!r} is not a plain file name; allowed: letters, digits, '.', '_' and '-', "
            f"a letter or digit first"
        )
    return folder / name


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file, and return when it has reached the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder have reached the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Give a file a new content at once."""
    with _ready(path, content) as ready:
        ready.replace(path)
    sync_folder(path.parent)


def create_file(path: Path, content: bytes) -> None:
    """Make a file with its whole content at once.

    Raises:
        FileExistsError: there is one already; it is left as it is.
    """
    with _ready(path, content) as ready:
        path.hardlink_to(ready)
    sync_folder(path.parent)


@contextmanager
def _ready(path: Path, content: bytes) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    ready = path.with_name(f".{uuid4().hex}.new")
    try:
        write_durably(ready, content)
        yield ready
    finally:
        ready.unlink(missing_ok=True)


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file, wholly or not at all; the caller holds a lock on it.

    A line that a crash has left without its end is dropped first.
    """
    with path.open("a+b", buffering=0) as file:
        size = _whole_lines(path, file.seek(0, os.SEEK_END))
        try:
            file.truncate(size)
            if file.write(line + b"\n") != len(line) + 1:
                raise OSError(None, "the disk took only a part of the line", str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def _whole_lines(path: Path, size: int) -> int:
    with path.open("rb") as file:
        if size:
            file.seek(size - 1)
        if not size or file.read() == b"\n":
            return size
        file.seek(0)
        return file.read().rfind(b"\n") + 1
