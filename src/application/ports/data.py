"""Ports of data: where tables are read, and where predictions are written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


class DataSource(Protocol):
    """A table to read. Picklable: a worker that receives a source reads its own chunks.

    Raises `NotFound`, `Unavailable`, `UnreadableData` or `ChecksumMismatch`.
    """

    @property
    def version(self) -> DatasetVersion:
        """The identity of the exact content that `read` returns."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, unchanged and in order, duplicates included."""
        ...

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        """Return the types of columns for all rows; a text file without types has only text."""
        ...

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the chunks of the table in order, each of at most `rows_per_chunk` rows.

        The chunks are the same at every call.
        """
        ...

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        """Return some columns of a chunk.

        A column with a kind is float64 or int64 for numbers (NaN where missing), bool for
        booleans, `Coded` or object for categories. If a cell does not fit the kind, the column
        is an object array that holds the text of that cell. A column of kind None is `Kept`, or
        of a type that holds all values of the source.
        """
        ...


class PredictionSink(Protocol):
    """The output of a batch job. A chunk that is written again replaces the earlier one.

    Picklable: a worker that receives a sink writes to the same output. Threads and processes may
    write different chunks concurrently, but never the same chunk.

    Raises `Unavailable` if it cannot write.
    """

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The key columns of the output; `ROW`, if one of them, must be in every table."""
        ...

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        """Lock the output against other runs, until the context or the process ends.

        Raises:
            Conflict: another run holds the lock.
        """
        ...

    def finished(self, job: BatchJob) -> "FinishedJob | None":
        """Return what an earlier run of this job published, if the output is unchanged.

        None if any of it was changed or removed.
        """
        ...

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        """Return the receipts of the chunks that an interrupted run of this job wrote, by index."""
        ...

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        """Write the scored rows and the rejects of one chunk atomically."""
        ...

    def publish(self, job: BatchJob, chunks: int) -> "PublishedOutput":
        """Make the rows of all chunks visible under the final name, at once."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedOutput:
    """Where the output of a batch job is. `rejects` is None if no row was rejected."""

    output: str
    rejects: str | None


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A batch job whose output is published, and its numbers of chunks and rows."""

    published: PublishedOutput
    chunks: int
    scored: int
    rejected: int
