"""Locks between threads and processes, by lock files.

The locks are advisory `flock`s of the operating system: they end with the process that holds them.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class AlreadyLocked(Exception):
    """Another process holds a lock; the message names it."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock file, and hold it; no other thread or process can hold it meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # a forked process may keep the file open


@contextmanager
def job_lock(path: Path, job: str) -> Iterator[None]:
    """Hold a lock file for a run of a job; the file is removed afterwards.

    Raises:
        AlreadyLocked: another run holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_now(path) as file:
        file.truncate(0)
        file.write(f"job {job}, process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            fcntl.flock(file, fcntl.LOCK_UN)


def holds_job_lock(path: Path, job: str) -> bool:
    """Whether this machine sees the lock file of a run of the job."""
    try:
        os.close(os.open(path.parent, os.O_RDONLY))  # a network file system reads the folder again
        return path.read_text(errors="replace").startswith(f"job {job},")
    except OSError:
        return False


def _lock_now(path: Path) -> BinaryIO:
    while True:
        file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                return file
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).decode(errors="replace") or "another process"
            file.close()
            raise AlreadyLocked(holder) from None
        except BaseException:
            file.close()
            raise
        file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file still has its name: the previous holder removes the file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
