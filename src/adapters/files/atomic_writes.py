"""Atomic writes: after a crash a file has its old content or its new one, never a part."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedRandom
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

from domain.errors import InvalidData, Unavailable

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@contextmanager
def os_errors_as_unavailable(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `Unavailable`, which names the path."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise Unavailable(f"{where}: {error.strerror or error}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `Unavailable`, which explains how to resume."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror or error}; correct that and run the same "
            f"command again, or name another output: finished chunks are kept"
        ) from error


def plain_name(name: str) -> str:
    """Return a file name that contains no folder.

    Raises:
        InvalidData: it is not a plain file name.
    """
    if not _PLAIN.fullmatch(name):
        raise InvalidData(
            f"{name!r} is not a plain file name; allowed: letters, digits, '.', '_' and '-', "
            f"a letter or digit first"
        )
    return name


def json_line(value: object) -> bytes:
    """Return a value as a line of JSON."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@contextmanager
def replacing(
    path: Path,
    folder: Path,
    *,
    mode: int = 0o666,
    sync_content: bool = True,
    sync_name: bool = True,
) -> Iterator[BufferedRandom]:
    """Open a temporary file in `folder`, which replaces `path` when the block succeeds.

    Then the content is on disk. Without `sync_content` or `sync_name` the write is faster,
    and a power failure may lose the content or the name. A new file has the permissions of `mode`
    and the umask; an existing one keeps its permissions, and its owner where that is permitted.
    """
    with _temporary(folder) as temporary:
        with open(temporary, "x+b", opener=partial(os.open, mode=mode)) as stream:
            _keep_permissions(path, stream.fileno())
            yield stream
            stream.flush()
            if sync_content:
                os.fsync(stream.fileno())
        temporary.replace(path)
    if sync_name:
        sync_folder(path.parent)


def _keep_permissions(path: Path, descriptor: int) -> None:
    with suppress(FileNotFoundError):
        stat = path.stat()
        with suppress(PermissionError):
            os.fchown(descriptor, stat.st_uid, stat.st_gid)
        os.fchmod(descriptor, S_IMODE(stat.st_mode))


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace the content of a file, or create it with `mode`, with its folder where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, path.parent, mode=mode) as stream:
        stream.write(content)


def create_file(path: Path, content: bytes) -> None:
    """Create a file with its whole content.

    Raises:
        FileExistsError: the file exists; it is not changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path.parent) as temporary:
        write_and_sync(temporary, content)
        path.hardlink_to(temporary)
    sync_folder(path.parent)


def write_and_sync(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a new file with these permissions, and sync it to disk."""
    with open(path, "xb", opener=partial(os.open, mode=mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file, completely or not at all; the caller holds a lock on the file.

    An incomplete last line, left by a crash, is removed first.
    """
    with path.open("a+b", buffering=0) as file:
        size = _size_of_complete_lines(path, file.seek(0, os.SEEK_END))
        try:
            file.truncate(size)
            if file.write(line + b"\n") != len(line) + 1:
                raise OSError(None, "the disk took only a part of the line", str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def _size_of_complete_lines(path: Path, size: int) -> int:
    with path.open("rb") as file:
        if size:
            file.seek(size - 1)
        if not size or file.read() == b"\n":
            return size
        file.seek(0)
        return file.read().rfind(b"\n") + 1


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    path = folder / f".{uuid4().hex}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
