"""Folders for temporary files, which a killed run leaves only until the next: for all adapters."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

_PREFIX = "modelport"
_LOCK = "lock"


def scratch_folder(what: str) -> tuple[Path, Callable[[], None]]:
    """Make a folder below that for temporary files; return it and what removes it.

    What it is for is part of its name. A process that is killed leaves it; the next one that asks
    for a folder removes it, since nobody holds its lock. A forked process removes nothing.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(tempfile.gettempdir())
    folder, here = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{what}-")), os.getpid()
    lock = _hold(folder)

    def remove() -> None:
        if os.getpid() == here:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    return folder, remove


def _hold(folder: Path) -> int:
    """Lock a folder. The lock gets its name when it is held: nobody finds one that is not yet."""
    unnamed = folder / f"{_LOCK}.new"
    try:
        lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        folder.rmdir()
        raise
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return lock


@cache
def _sweep(temporary: str) -> None:
    """Remove the folders of processes that have ended; once, not for every file of an input."""
    for folder in Path(temporary).glob(f"{_PREFIX}-*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
