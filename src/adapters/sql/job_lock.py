"""A lock per job and output table, which ends with the process that holds it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from adapters.files.locks import AlreadyLocked, holds_job_lock, job_lock
from adapters.sql.database import POSTGRESQL, TableName
from domain.errors import Conflict, Unavailable


@contextmanager
def locked(table: TableName, job: str) -> Iterator[None]:
    """Lock a job against other runs.

    PostgreSQL: an advisory lock in a session of its own. SQLite: a lock file next to the database.
    Other databases have no lock; transactions keep the chunks of two runs consistent.

    Raises:
        Conflict: another run holds the lock.
    """
    if table.database.dialect == POSTGRESQL:
        with _advisory_lock(table, job):
            yield
    elif (path := _lock_path(table, job)) is not None:
        with _lock_file(path, table, job):
            yield
    else:
        yield


def require_lock(table: TableName, job: str) -> None:
    """Check, in a worker process, that it sees the lock file of the run.

    Raises:
        Unavailable: it does not: the run has ended, or the database file is on another machine.
    """
    path = _lock_path(table, job)
    if path is not None and not holds_job_lock(path, job):
        raise Unavailable(
            f"{table.uri}: the run of job {job} is not visible from {socket.gethostname()}; a "
            f"database that is a file must be on the machine of every process that writes to it"
        )


def _lock_path(table: TableName, job: str) -> Path | None:
    """Return the lock file of a job; None if the database is not a file."""
    file = table.database.file
    return file and file.with_name(f".{file.name}.{_digest(table, job).hex()[:16]}.lock")


def _digest(table: TableName, job: str) -> bytes:
    return sha256(f"modelport {table} {job}".encode()).digest()


def _held_by_another_run(table: TableName, job: str) -> Conflict:
    return Conflict(
        f"{table.uri}: job {job} is being written by another run; "
        f"wait until it has ended and run the same again"
    )


@contextmanager
def _advisory_lock(table: TableName, job: str) -> Iterator[None]:
    key = int.from_bytes(_digest(table, job)[:8], "big", signed=True)
    with table.database.connect() as connection:
        session = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not session.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            raise _held_by_another_run(table, job)
        try:
            yield
        finally:
            with suppress(sa.exc.DBAPIError):  # the lock ended with a lost session
                session.scalar(sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _lock_file(path: Path, table: TableName, job: str) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(job_lock(path, job))
        except AlreadyLocked:
            raise _held_by_another_run(table, job) from None
        except OSError as error:
            raise Unavailable(f"{table.uri}: {path} cannot be created: {error.strerror}") from error
        yield
