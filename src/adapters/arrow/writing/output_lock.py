"""One run at a time writes an output: a lock file."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.files.locks import AlreadyLocked, holds_job_lock, job_lock
from domain.errors import Conflict, Unavailable


@contextmanager
def reserved(path: Path, output: Path, job: str) -> Iterator[None]:
    """Hold the lock file of an output against every other run that writes it.

    Raises:
        Conflict: another run holds it; says which.
    """
    with ExitStack() as held:
        try:
            held.enter_context(job_lock(path, job))
        except AlreadyLocked as holder:
            raise Conflict(
                f"{output} is being written by another run ({holder}); "
                f"wait until it has ended and run the same again, or name another output"
            ) from None
        yield


def require_reserved(path: Path, output: Path, job: str) -> None:
    """Check, in a worker process, that it sees the lock file of the run.

    Raises:
        Unavailable: it does not: the run has ended, or the output is not on shared storage.
    """
    if not holds_job_lock(path, job):
        raise Unavailable(
            f"{output}: the run of job {job} is not seen from {socket.gethostname()}; the output "
            f"must be on storage that all machines share which write to it"
        )
