"""The output of a batch job in tables of a database."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import sqlalchemy as sa

from adapters.sql.database import ColumnTypes, TableName
from adapters.sql.job_lock import locked, require_lock
from adapters.sql.output_tables import KEY_COLUMNS, OutputTables, cells_of, insert
from application.ports import FinishedJob, PublishedOutput
from domain.data.table import Table, plain
from domain.errors import Conflict, InvalidData, Unavailable
from domain.scoring.batch_job import ROW, BatchJob, ChunkReceipt, Reject

RUNNING = "running"
FINISHED = "finished"


class SqlSink:
    """A `PredictionSink` that appends to a table, and creates it if it does not exist.

    Several jobs may write to one table concurrently, each in one run.

    NAME            the scored rows with `job`, `chunk` and `row`
    NAME_rejects    a row per violation, with `row`; for an input of several files also `file` and
                    `row_in_file`
    NAME_chunks     a receipt per chunk
    NAME_jobs       a row per job: `running`, then `finished` when it is published

    A transaction replaces rows, rejects and receipt of a chunk. So the rows of a job are in the
    table once, however often the job runs; only those of finished jobs count.

    `row` is the number of the row in the input, from one. Earlier releases wrote the position of a
    scored row in its chunk, from zero: such chunks do not count, and are written again.
    """

    def __init__(self, url: str, key: str | None = None, *, in_worker: bool = False) -> None:
        """Write nothing yet. A sink in a worker checks that the run still holds its lock.

        With a `key` column, publishing a job removes the rows of earlier finished jobs that have a
        key of the job.
        """
        self._url, self._key, self._in_worker = url, key, in_worker
        self._tables = OutputTables.of(TableName.parse(url))
        self._registered: set[str] = set()
        self._types: ColumnTypes = {}

    @property
    def key_columns(self) -> tuple[str, ...]:
        return KEY_COLUMNS

    def __reduce__(self) -> tuple[Callable[..., "SqlSink"], tuple[str]]:
        return partial(SqlSink, in_worker=True), (self._url,)

    @property
    def uri(self) -> str:
        """The URL of the table, without secrets."""
        return self._tables.name.uri

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        return locked(self._tables.name, job.id)

    def finished(self, job: BatchJob) -> FinishedJob | None:
        """Return what was published, if no rows or rejects were removed or added since."""
        status, receipts = self._found(job)
        if status != FINISHED or None in receipts.values():
            return None
        complete = [receipt for receipt in receipts.values() if receipt is not None]
        rejected = sum(receipt.rejected for receipt in complete)
        scored = sum(receipt.scored for receipt in complete)
        return FinishedJob(self._published(job, rejected), len(complete), scored, rejected)

    def completed_chunks(self, job: BatchJob) -> dict[int, ChunkReceipt]:
        """Return the receipts of a running job; a finished job is written again."""
        status, receipts = self._found(job)
        if status != RUNNING:
            return {}
        return {index: receipt for index, receipt in receipts.items() if receipt is not None}

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        if self._in_worker:
            require_lock(self._tables.name, job.id)
        cells = cells_of(table, self.uri)
        if not self._types:
            self._types = self._tables.create(cells)
        self._register(job)
        rows = self._tables.rows(cells, self._types)
        numbers = plain(table.column(ROW)).tolist()
        values = [numbers, *(cells[name].to_fit(rows.c[name].type) for name in cells)]
        receipt = ChunkReceipt(index, len(table), len(rejects))
        with self._tables.name.database.begin() as connection:
            self._lock(connection, job, status=RUNNING)
            for written in (rows, self._tables.rejects, self._tables.chunks):
                of_chunk = (written.c.job == job.id) & (written.c.chunk == index)
                connection.execute(sa.delete(written).where(of_chunk))
            chunk = (job.id, index)
            insert(connection, rows, [(*chunk, *row) for row in zip(*values, strict=True)])
            insert(connection, self._tables.rejects, _reject_rows(chunk, rejects))
            counts = (receipt.scored, receipt.rejected)
            insert(connection, self._tables.chunks, [(*chunk, *counts)])
        return receipt

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        jobs, receipts = self._tables.jobs, self._tables.chunks
        self._register(job)
        found = sa.select(receipts).where(receipts.c.job == job.id, receipts.c.chunk < chunks)
        done = sa.update(jobs).where(jobs.c.job == job.id)
        with self._tables.name.database.begin() as connection:
            self._lock(connection, job)
            written = {r.chunk: r.rejected for r in connection.execute(found)}
            missing = sorted({*range(chunks)} - {*written})
            if missing:
                raise Unavailable(
                    f"{self.uri}: job {job.id}: chunk {missing[0]} of {chunks} is not written"
                )
            if self._key is not None:
                self._replace_earlier(connection, job, self._key)
            connection.execute(done.values(status=FINISHED, finished_at=sa.func.now()))
        return self._published(job, sum(written.values()))

    def greatest(self, column: str) -> Any | None:
        """Return the greatest value of a column in the rows of finished jobs; None without any.

        Raises:
            Conflict: the table exists without the column.
        """
        database, name, jobs = self._tables.name.database, self._tables.name, self._tables.jobs
        if not database.has_file():
            return None
        with database.connect() as connection:
            inspector = name.inspector(connection)
            if not {name.name, jobs.name} <= {*inspector.get_table_names(name.schema)}:
                return None
            names = [each["name"] for each in inspector.get_columns(name.name, name.schema)]
            if column not in names:
                raise Conflict(f"{self.uri}: no column {column!r}; it has {', '.join(names)}")
            rows = self._tables.with_column(column)
            of_finished = rows.c.job.in_(sa.select(jobs.c.job).where(jobs.c.status == FINISHED))
            return connection.scalar(sa.select(sa.func.max(rows.c[column])).where(of_finished))

    def _replace_earlier(self, connection: sa.Connection, job: BatchJob, key: str) -> None:
        """Remove the rows of earlier finished jobs with a key of this job.

        Raises:
            InvalidData: two rows of this job have the same key.
        """
        rows, jobs = self._tables.with_column(key), self._tables.jobs
        keys = sa.select(rows.c[key]).where(rows.c.job == job.id)
        twice = keys.where(rows.c[key].is_not(None)).group_by(rows.c[key])
        found = connection.execute(twice.having(sa.func.count() > 1).limit(1)).first()
        if found is not None:
            raise InvalidData(f"{self.uri}: column {key!r} is not a key: a value is there twice")
        is_finished = (jobs.c.status == FINISHED) & (jobs.c.job != job.id)
        earlier = rows.c.job.in_(sa.select(jobs.c.job).where(is_finished))
        connection.execute(sa.delete(rows).where(earlier, rows.c[key].in_(keys)))

    def _published(self, job: BatchJob, rejected: int) -> PublishedOutput:
        rejects = f"{self.uri}_rejects (job {job.id})" if rejected else None
        return PublishedOutput(f"{self.uri} (job {job.id})", rejects)

    def _found(self, job: BatchJob) -> tuple[str | None, dict[int, ChunkReceipt | None]]:
        """Return the status of a job and its receipts; None for chunks with missing rows."""
        database, name = self._tables.name.database, self._tables.name
        tables = [self._tables.jobs, self._tables.chunks, self._tables.rejects]
        if not database.has_file():
            return None, {}
        with database.connect() as connection:
            existing = name.inspector(connection).get_table_names(name.schema)
            if not {name.name, *(table.name for table in tables)} <= {*existing}:
                return None, {}
            jobs, chunks, rejects = tables
            status = connection.scalar(sa.select(jobs.c.status).where(jobs.c.job == job.id))
            scored = _counts(connection, self._tables.keys, job, sa.func.count())
            distinct = sa.func.count(rejects.c.row.distinct())
            rejected = _counts(connection, rejects, job, distinct)
            receipts = connection.execute(sa.select(chunks).where(chunks.c.job == job.id))
            found = [ChunkReceipt(r.chunk, r.scored, r.rejected) for r in receipts]
        return status, {
            r.index: r if r == ChunkReceipt(r.index, scored[r.index], rejected[r.index]) else None
            for r in found
        }

    def _register(self, job: BatchJob) -> None:
        """Create the tables and insert the row of the job, if they do not exist."""
        if job.id in self._registered:
            return
        database, jobs = self._tables.name.database, self._tables.jobs
        self._tables.create_others()
        recorded = ("model", "bundle_id", "data_sha256", "chunk_rows")
        row = {"job": job.id, "status": RUNNING, "started_at": sa.func.now()}
        row |= {field: getattr(job, field) for field in recorded}
        try:
            with database.begin() as connection:
                connection.execute(sa.insert(jobs).values(row))
        except Conflict:
            pass  # an earlier run or another process has inserted it
        self._registered.add(job.id)

    def _lock(self, connection: sa.Connection, job: BatchJob, **values: Any) -> None:
        """Lock the row of the job against other processes until the transaction ends."""
        jobs = self._tables.jobs
        # An update locks the row in every database; FOR UPDATE is not known to all.
        new = {"status": jobs.c.status, **values}
        connection.execute(sa.update(jobs).where(jobs.c.job == job.id).values(new))


def _counts(
    connection: sa.Connection, table: sa.Table, job: BatchJob, count: sa.ColumnElement[int]
) -> Counter[int]:
    """Return the count for each chunk of a job."""
    of_job = (table.c.job == job.id) & (table.c.row > 0)
    query = sa.select(table.c.chunk, count).where(of_job).group_by(table.c.chunk)
    return Counter({row.chunk: row[1] for row in connection.execute(query)})


def _reject_rows(chunk: tuple[str, int], rejects: Sequence[Reject]) -> list[tuple[Any, ...]]:
    return [
        (
            *(*chunk, reject.row, number),
            *(violation.field, violation.problem, violation.allowed),
            *(reject.file or None, reject.row_in_file or None),
        )
        for reject in rejects
        for number, violation in enumerate(reject.violations)
    ]
