"""The progress of a batch job."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from domain.data.dataset import Chunk
from domain.scoring.batch_job import ChunkReceipt


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` of `total` are done, `resumed` of them by an earlier run."""

    rows: int
    total: int
    resumed: int = 0

    def rate(self, seconds: float) -> float | None:
        """Return the rows per second of this run; None before the first row."""
        done = self.rows - self.resumed
        return done / seconds if done > 0 and seconds > 0 else None

    def seconds_left(self, seconds: float) -> float | None:
        """Return the estimated seconds for the remaining rows; None before the first row."""
        rate = self.rate(seconds)
        return None if rate is None else (self.total - self.rows) / rate


def silent(_: Progress) -> None:
    """Ignore the progress."""


@dataclass
class ChunkCounts:
    """Counts the chunks that are written, by this run of a job or by an earlier one."""

    completed: Mapping[int, ChunkReceipt]
    total: int
    progress: Callable[[Progress], None]
    chunks: int = 0
    resumed: int = 0
    resumed_rows: int = 0
    rows: int = 0
    rejected: int = 0
    first_with_rejects: int | None = None

    def add(self, receipt: ChunkReceipt) -> None:
        """Count a chunk and report the progress."""
        self.chunks += 1
        self.rows += receipt.rows
        self.rejected += receipt.rejected
        if receipt.rejected and self.first_with_rejects is None:
            self.first_with_rejects = receipt.index
        self.progress(Progress(self.rows, self.total, self.resumed_rows))

    def remaining(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that are still to be scored; count those of an earlier run."""
        for chunk in chunks:
            if chunk.index in self.completed:
                self.resumed += 1
                self.resumed_rows += self.completed[chunk.index].rows
                self.add(self.completed[chunk.index])
            else:
                yield chunk
