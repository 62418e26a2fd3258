from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256

import numpy as np

from application.ports import FinishedJob, PublishedOutput
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Column, Table, plain
from domain.data.value_type import ValueType, type_of
from domain.errors import (
    Conflict,
    Unavailable,
)
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


class MemorySource:
    """A `DataSource` over a table; its version follows from the content unless one is given."""

    def __init__(self, table: Table, version: DatasetVersion | None = None) -> None:
        self.table = table
        self.version = version or DatasetVersion("memory:", digest(table), len(table))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table.columns)

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        return {name: type_of(plain(self.table.column(name)).tolist()) for name in names}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        total = len(self.table)
        for index, start in enumerate(range(0, total, rows_per_chunk)):
            yield Chunk(index, start, min(rows_per_chunk, total - start))

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        rows = self.table[chunk.start : chunk.start + chunk.rows]
        wanted = {name: _of_kind(rows.column(name), kind) for name, kind in columns.items()}
        return Table(wanted, len(rows), rows.faults)


def digest(table: Table) -> str:
    """Return the SHA-256 of column names and values, independent of their types."""
    content = [(name, plain(column).tolist()) for name, column in table.columns.items()]
    return sha256(repr(content).encode()).hexdigest()


def _of_kind(column: Column, kind: Kind | None) -> Column:
    numeric = kind in (Kind.NUMBER, Kind.INTEGER)
    if not numeric or not isinstance(column, np.ndarray) or column.dtype != object:
        return column
    cells = column.tolist()
    if all(c is None or (isinstance(c, int | float) and not isinstance(c, bool)) for c in cells):
        return np.array(cells, dtype=np.float64)
    return column


class MemorySink:
    """A `PredictionSink`; it fails after `fail_after` chunks, if given.

    `tables` and `rejects` hold the published results by job id.
    """

    def __init__(self, fail_after: int | None = None) -> None:
        self.fail_after = fail_after
        self.tables: dict[str, Table] = {}
        self.rejects: dict[str, list[Reject]] = {}
        self.writes = 0
        self._chunks: dict[str, dict[int, tuple[Table, tuple[Reject, ...]]]] = {}
        self._finished: dict[str, FinishedJob] = {}
        self._reserved: set[str] = set()

    @property
    def key_columns(self) -> tuple[str, ...]:
        return ()

    @contextmanager
    def locked(self, job: BatchJob) -> Iterator[None]:
        if job.id in self._reserved:
            raise Conflict(f"memory:{job.id}: another run writes to it")
        self._reserved.add(job.id)
        try:
            yield
        finally:
            self._reserved.remove(job.id)

    def finished(self, job: BatchJob) -> FinishedJob | None:
        there = job.id in self.tables and job.id in self.rejects
        return self._finished.get(job.id) if there else None

    def completed_chunks(self, job: BatchJob) -> dict[int, ChunkReceipt]:
        chunks = self._chunks.get(job.id, {})
        return {index: ChunkReceipt(index, len(t), len(r)) for index, (t, r) in chunks.items()}

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        if self.fail_after is not None and self.writes >= self.fail_after:
            raise Unavailable(f"memory:{job.id}: cannot write after {self.fail_after} chunks")
        self.writes += 1
        self._chunks.setdefault(job.id, {})[index] = (table, tuple(rejects))
        return ChunkReceipt(index, len(table), len(rejects))

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        written = self._chunks.get(job.id, {})
        lacking = sorted({*range(chunks)} - {*written})
        if lacking:
            raise Unavailable(f"memory:{job.id}: chunk {lacking[0]} of {chunks} is not written")
        ordered = [written[index] for index in range(chunks)]
        rejects = [reject for _, rejected in ordered for reject in rejected]
        self.tables[job.id] = Table.concat(table for table, _ in ordered)
        self.rejects[job.id] = rejects
        self._chunks.pop(job.id, None)
        published = PublishedOutput(
            f"memory:{job.id}", f"memory:{job.id}/rejects" if rejects else None
        )
        scored = len(self.tables[job.id])
        self._finished[job.id] = FinishedJob(published, chunks, scored, len(rejects))
        return published
