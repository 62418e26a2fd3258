"""Writes predictions into a table of a database."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import sqlalchemy as sa

from adapters.sql.job_lock import require_reserved, reserved
from adapters.sql.output_tables import OutputTables, Types, cells_of, insert
from adapters.sql.table_name import TableName
from application.ports import FinishedJob, PublishedOutput
from domain.data.table import Table
from domain.errors import Conflict, Unavailable
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject

RUNNING = "running"
FINISHED = "finished"


class SqlSink:
    """A `PredictionSink` that appends to a table, which is made where it is missing.

    Several jobs may write to one table at the same time, each with one run.

    NAME            the scored rows with `job`, `chunk` and `row` (their place in the chunk)
    NAME_rejects    a line per fault, with the `row` of the input, counted from one; where that is
                    several files, also with `file` and `row_in_file`
    NAME_chunks     a receipt per chunk
    NAME_jobs       a line per job, `running` until it is published, then `finished`

    A chunk is one transaction: what was written of it earlier goes, its rows, rejects and receipt
    come. So the rows of a job are there once, however often it is run; those that count are those
    of finished jobs. The types of new columns follow from the first chunk.
    """

    def __init__(self, url: str, *, sent: bool = False) -> None:
        """Name the table. One that was `sent` writes for another process."""
        self._url, self._sent = url, sent
        self._tables = OutputTables.of(TableName.parse(url))
        self._registered: set[str] = set()
        self._types: Types = {}

    def __reduce__(self) -> tuple[Callable[..., "SqlSink"], tuple[str]]:
        return partial(SqlSink, sent=True), (self._url,)

    @property
    def uri(self) -> str:
        """The table that is written to, without anything that is secret."""
        return self._tables.name.uri

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        return reserved(self._tables.name, job.id)

    def finished(self, job: BatchJob) -> FinishedJob | None:
        """Return what was published, if the table has as many rows and rejects as then."""
        status, receipts = self._found(job)
        if status != FINISHED or None in receipts.values():
            return None
        whole = [receipt for receipt in receipts.values() if receipt is not None]
        rejected = sum(receipt.rejected for receipt in whole)
        scored = sum(receipt.scored for receipt in whole)
        return FinishedJob(self._published(job, rejected), len(whole), scored, rejected)

    def completed_chunks(self, job: BatchJob) -> dict[int, ChunkReceipt]:
        """Return the receipts of a job that is not finished; a finished one is written again."""
        status, receipts = self._found(job)
        if status != RUNNING:
            return {}
        return {index: receipt for index, receipt in receipts.items() if receipt is not None}

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        if self._sent:
            require_reserved(self._tables.name, job.id)
        cells = cells_of(table, self.uri)
        if not self._types:
            self._types = self._tables.make(cells)
        self._register(job)
        rows = self._tables.rows(cells, self._types)
        values = [cells[name].to_fit(rows.c[name].type) for name in cells]
        receipt = ChunkReceipt(index, len(table), len(rejects))
        with self._tables.name.database.begin() as connection:
            self._lock(connection, job, status=RUNNING)
            for written in (rows, self._tables.rejects, self._tables.chunks):
                of_chunk = (written.c.job == job.id) & (written.c.chunk == index)
                connection.execute(sa.delete(written).where(of_chunk))
            place = (job.id, index)
            lines = enumerate(zip(*values, strict=True))
            insert(connection, rows, [(*place, row, *line) for row, line in lines])
            insert(connection, self._tables.rejects, _faults(place, rejects))
            counts = (receipt.scored, receipt.rejected)
            insert(connection, self._tables.chunks, [(*place, *counts)])
        return receipt

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        jobs, receipts = self._tables.jobs, self._tables.chunks
        self._register(job)
        found = sa.select(receipts).where(receipts.c.job == job.id, receipts.c.chunk < chunks)
        done = sa.update(jobs).where(jobs.c.job == job.id)
        with self._tables.name.database.begin() as connection:
            self._lock(connection, job)
            written = {r.chunk: r.rejected for r in connection.execute(found)}
            lacking = sorted({*range(chunks)} - {*written})
            if lacking:
                raise Unavailable(
                    f"{self.uri}: job {job.id}: chunk {lacking[0]} of {chunks} is not written"
                )
            connection.execute(done.values(status=FINISHED, finished_at=sa.func.now()))
        return self._published(job, sum(written.values()))

    def _published(self, job: BatchJob, rejected: int) -> PublishedOutput:
        rejects = f"{self.uri}_rejects (job {job.id})" if rejected else None
        return PublishedOutput(f"{self.uri} (job {job.id})", rejects)

    def _found(self, job: BatchJob) -> tuple[str | None, dict[int, ChunkReceipt | None]]:
        """Return the status of a job and its receipts; None for those that rows are missing of."""
        database, name = self._tables.name.database, self._tables.name
        tables = [self._tables.jobs, self._tables.chunks, self._tables.rejects]
        if not database.has_file():
            return None, {}
        with database.connect() as connection:
            there = sa.inspect(connection).get_table_names(name.schema)
            if not {name.name, *(table.name for table in tables)} <= {*there}:
                return None, {}
            jobs, chunks, rejects = tables
            status = connection.scalar(sa.select(jobs.c.status).where(jobs.c.job == job.id))
            scored = _counts(connection, self._tables.places, job, sa.func.count())
            distinct = sa.func.count(rejects.c.row.distinct())
            rejected = _counts(connection, rejects, job, distinct)
            receipts = connection.execute(sa.select(chunks).where(chunks.c.job == job.id))
            found = [ChunkReceipt(r.chunk, r.scored, r.rejected) for r in receipts]
        return status, {
            r.index: r if r == ChunkReceipt(r.index, scored[r.index], rejected[r.index]) else None
            for r in found
        }

    def _register(self, job: BatchJob) -> None:
        """Make the tables and the line of the job where they are missing."""
        if job.id in self._registered:
            return
        database, jobs = self._tables.name.database, self._tables.jobs
        self._tables.make_others()
        line = {
            "job": job.id,
            "status": RUNNING,
            "model": job.model,
            "bundle_id": job.bundle_id,
            "data_sha256": job.data_sha256,
            "chunk_rows": job.chunk_rows,
        }
        try:
            with database.begin() as connection:
                connection.execute(sa.insert(jobs).values(started_at=sa.func.now(), **line))
        except Conflict:
            pass  # the job is known already, or another process has just made it known
        self._registered.add(job.id)

    def _lock(self, connection: sa.Connection, job: BatchJob, **values: Any) -> None:
        """Let no other process write to this job until the transaction ends."""
        jobs = self._tables.jobs
        # Any write locks the line, also where FOR UPDATE is not known.
        new = {"status": jobs.c.status, **values}
        connection.execute(sa.update(jobs).where(jobs.c.job == job.id).values(new))


def _counts(
    connection: sa.Connection, table: sa.Table, job: BatchJob, count: sa.ColumnElement[int]
) -> Counter[int]:
    """Return how many there are in each chunk of a job."""
    query = sa.select(table.c.chunk, count).where(table.c.job == job.id).group_by(table.c.chunk)
    return Counter({row.chunk: row[1] for row in connection.execute(query)})


def _faults(place: tuple[str, int], rejects: Sequence[Reject]) -> list[tuple[Any, ...]]:
    return [
        (
            *(*place, reject.row, number),
            *(fault.field, fault.problem, fault.allowed),
            *(reject.file or None, reject.row_in_file or None),
        )
        for reject in rejects
        for number, fault in enumerate(reject.violations)
    ]
