"""One run at a time: a lock file that the operating system lets go when its process ends."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from domain.errors import Conflict, Unavailable


@contextmanager
def reserved(path: Path, what: Path, job: str) -> Iterator[None]:
    """Hold a lock file, which is gone afterwards, against every other run that writes `what`.

    Raises:
        Conflict: another run holds it; says which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, what) as file:
        file.truncate(0)
        file.write(f"job {job}, process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            # Closing alone is not enough: a process forked meanwhile has the file open too.
            fcntl.flock(file, fcntl.LOCK_UN)


def require_reserved(path: Path, what: Path, job: str) -> None:
    """Check, in another process than the run's own, that its lock file is seen from here.

    Raises:
        Unavailable: it is not: the run has ended, or this machine has other files than the run's.
    """
    try:
        os.close(os.open(path.parent, os.O_RDONLY))  # lets a network file system look again
        holder = path.read_text(errors="replace")
    except OSError:
        holder = ""
    if not holder.startswith(f"job {job},"):
        raise Unavailable(
            f"{what}: the run of job {job} is not seen from {socket.gethostname()}; the output "
            f"must be on storage that all machines share which write to it"
        )


def _locked(path: Path, what: Path) -> BinaryIO:
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
            raise Conflict(
                f"{what} is being written by another run ({holder}); "
                f"wait until it has ended and run the same again, or name another output"
            ) from None
        except BaseException:
            file.close()
            raise
        file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file still has its name: who held it before has removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
