"""Temporary folders, which are removed even if the process that made them was killed."""

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


def temporary_folder(purpose: str) -> tuple[Path, Callable[[], None]]:
    """Make a folder for temporary files; return it and the function that removes it.

    The purpose is part of its name. If the process is killed, the next process that makes a
    temporary folder removes this one, since its lock is free. A forked process removes nothing.

    Raises:
        OSError: the folder cannot be made.
    """
    _remove_abandoned(tempfile.gettempdir())
    folder, owner = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{purpose}-")), os.getpid()
    lock = _lock(folder)

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    return folder, remove


def _lock(folder: Path) -> int:
    """Lock a folder. The lock file gets its name when the lock is held, never before."""
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
def _remove_abandoned(temporary: str) -> None:
    """Remove the folders of processes that have ended; once per process."""
    for folder in Path(temporary).glob(f"{_PREFIX}-*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                _remove_if_unlocked(folder)


def _remove_if_unlocked(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
