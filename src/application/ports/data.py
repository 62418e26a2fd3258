"""Ports of data: where tables are read, and where predictions are written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


class DataSource(Protocol):
    """A table somewhere. Picklable: a worker that is given one can read its own chunk.

    Raises `NotFound`, `Unavailable`, `UnreadableData` or `ChecksumMismatch`.
    """

    @property
    def version(self) -> DatasetVersion:
        """The exact content that will be read."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, as they stand; a name that stands there twice is kept."""
        ...

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Cut the rows, in order, into chunks of at most so many; the same plan every time."""
        ...

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        """Return some columns of a chunk.

        A column of a given kind comes as its values: float64 or int64 for numbers (NaN where
        missing), bool for booleans, `Coded` or object for categories; where some cell does not
        fit the kind, the column comes as objects, that cell as the text it is. A column of kind
        None comes as it stands, to be handed through unchanged.
        """
        ...


class PredictionSink(Protocol):
    """Where a batch job writes. Writing a chunk again replaces it: each row is there once.

    Picklable: a worker that is given one writes to the same place. Chunks may be written at the
    same time, by threads or by processes, but never the same one.

    Raises `Unavailable` when it cannot write.
    """

    def reserved(self, job: BatchJob) -> AbstractContextManager[None]:
        """Keep every other run from what this job writes, until it is left or the process ends.

        Raises:
            Conflict: another run has it.
        """
        ...

    def finished(self, job: BatchJob) -> "Finished | None":
        """Return what an earlier run of this job has sealed, if all of it is still there as it was.

        What was changed or removed since counts as not there.
        """
        ...

    def completed(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        """Return the chunks of an earlier, interrupted run of this job, by index."""
        ...

    def write(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        """Write the scored rows and the rejects of one chunk, wholly or not at all."""
        ...

    def seal(self, job: BatchJob, chunks: int) -> "Sealed":
        """Make the result of all chunks visible under its final name, at once."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where the result of a batch job is; `rejects` is None where no row was rejected."""

    output: str
    rejects: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch job that was sealed before."""

    sealed: Sealed
    chunks: int
    scored: int
    rejected: int
