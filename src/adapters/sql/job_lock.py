"""One run of a job at a time, by a lock that is let go when the process ends."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from adapters.files.locks import AlreadyLocked, holds_job_lock, job_lock
from adapters.sql.database import POSTGRESQL
from adapters.sql.table_name import TableName
from domain.errors import Conflict, Unavailable


@contextmanager
def reserved(table: TableName, job: str) -> Iterator[None]:
    """Hold a job against every other run of it.

    PostgreSQL: an advisory lock of a session that does nothing else; SQLite: a lock file beside
    the database. Other databases have neither: there the transactions of the chunks keep two runs
    from disturbing each other.

    Raises:
        Conflict: another run holds it.
    """
    if table.database.dialect == POSTGRESQL:
        with _advisory_lock(table, job):
            yield
    elif (path := _lock_path(table, job)) is not None:
        with _lock_file(path, table, job):
            yield
    else:
        yield


def require_reserved(table: TableName, job: str) -> None:
    """Check, in another process than the run's own, that a file is the database that the run has.

    Raises:
        Unavailable: the run has ended, or this machine has other files than the run's.
    """
    path = _lock_path(table, job)
    if path is not None and not holds_job_lock(path, job):
        raise Unavailable(
            f"{table.uri}: the run of job {job} is not seen from {socket.gethostname()}; a "
            f"database that is a file must be on the machine of every process that writes to it"
        )


def _lock_path(table: TableName, job: str) -> Path | None:
    """Return where the lock of a job is in a database that is a file."""
    file = table.database.file
    return file and file.with_name(f".{file.name}.{_digest(table, job).hex()[:16]}.lock")


def _digest(table: TableName, job: str) -> bytes:
    return sha256(f"modelport {table} {job}".encode()).digest()


def _taken(table: TableName, job: str) -> Conflict:
    return Conflict(
        f"{table.uri}: job {job} is being written by another run; "
        f"wait until it has ended and run the same again"
    )


@contextmanager
def _advisory_lock(table: TableName, job: str) -> Iterator[None]:
    key = int.from_bytes(_digest(table, job)[:8], "big", signed=True)
    with table.database.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not alone.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            raise _taken(table, job)
        try:
            yield
        finally:
            with suppress(sa.exc.DBAPIError):  # a session that was cut off holds no lock any more
                alone.scalar(sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _lock_file(path: Path, table: TableName, job: str) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(job_lock(path, job))
        except AlreadyLocked:
            raise _taken(table, job) from None
        except OSError as error:
            raise Unavailable(f"{table.uri}: {path} cannot be made: {error.strerror}") from error
        yield
