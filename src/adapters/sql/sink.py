"""Writes predictions into a table of a database."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from adapters.sql.output import OutputTables, cells_of, insert
from adapters.sql.table_name import TableName
from application.ports import Sealed
from domain.batch import BatchJob, ChunkReceipt, Reject
from domain.errors import Conflict, Unavailable
from domain.table import Table

RUNNING = "running"
FINISHED = "finished"


class SqlSink:
    """A `PredictionSink` that appends to a table, which is made where it is missing.

    NAME            the scored rows with `job`, `chunk` and `row` (their place in the chunk)
    NAME_rejects    a line per fault, with the `row` of the input, counted from one
    NAME_chunks     a receipt per chunk
    NAME_jobs       a line per job, `running` until it is sealed, then `finished`

    A chunk is one transaction: what was written of it earlier goes, its rows, rejects and receipt
    come. So the rows of a job are there once, however often it is run; those that count are those
    of finished jobs. The types of new columns follow from the first chunk.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._tables = OutputTables.of(TableName.parse(url))
        self._registered: set[str] = set()

    def __reduce__(self) -> tuple[type["SqlSink"], tuple[str]]:
        return type(self), (self._url,)

    @property
    def uri(self) -> str:
        """The table that is written to, without anything that is secret."""
        return self._tables.name.uri

    def completed(self, job: BatchJob) -> dict[int, ChunkReceipt]:
        """Return the receipts of a job that is not finished; a finished one is written again."""
        database, name = self._tables.name.database, self._tables.name
        jobs, chunks = self._tables.jobs, self._tables.chunks
        if not database.has_file():
            return {}
        status = sa.select(jobs.c.status).where(jobs.c.job == job.id)
        receipts = sa.select(chunks).where(chunks.c.job == job.id)
        with database.connect() as connection:
            there = sa.inspect(connection).get_table_names(name.schema)
            if not {jobs.name, chunks.name, name.name} <= {*there}:
                return {}
            if connection.scalar(status) != RUNNING:
                return {}
            return {r.chunk: _receipt(r) for r in connection.execute(receipts)}

    def write(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        cells = cells_of(table, self.uri)
        rows = self._tables.rows(cells)
        self._register(job)
        values = [cells[name].to_fit(rows.c[name].type) for name in cells]
        receipt = ChunkReceipt(index, len(table), len(rejects))
        with self._tables.name.database.begin() as connection:
            self._lock(connection, job)
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

    def seal(self, job: BatchJob, chunks: int) -> Sealed:
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
        rejects = f"{self.uri}_rejects (job {job.id})" if any(written.values()) else None
        return Sealed(f"{self.uri} (job {job.id})", rejects)

    def _register(self, job: BatchJob) -> None:
        """Make the tables and the line of the job where they are missing."""
        if job.id in self._registered:
            return
        database, jobs = self._tables.name.database, self._tables.jobs
        for table in (jobs, self._tables.chunks, self._tables.rejects):
            database.create(table)
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

    def _lock(self, connection: sa.Connection, job: BatchJob) -> None:
        """Let no other process write to this job until the transaction ends."""
        jobs = self._tables.jobs
        same = jobs.c.status  # any write locks the line, also where FOR UPDATE is not known
        connection.execute(sa.update(jobs).where(jobs.c.job == job.id).values(status=same))


def _receipt(row: sa.Row[Any]) -> ChunkReceipt:
    return ChunkReceipt(row.chunk, row.scored, row.rejected)


def _faults(place: tuple[str, int], rejects: Sequence[Reject]) -> list[tuple[Any, ...]]:
    return [
        (*place, reject.row, number, fault.field, fault.problem, fault.allowed)
        for reject in rejects
        for number, fault in enumerate(reject.violations)
    ]
