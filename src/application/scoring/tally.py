"""What is written of a batch job, counted as it comes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from application.scoring.progress import Progress
from domain.data.dataset import Chunk
from domain.scoring.batch_job import ChunkReceipt


@dataclass
class Tally:
    """Counts what is written, now or by an earlier run of the job."""

    completed: Mapping[int, ChunkReceipt]
    total: int
    progress: Callable[[Progress], None]
    chunks: int = 0
    resumed: int = 0
    resumed_rows: int = 0
    rows: int = 0
    rejected: int = 0
    first_bad: int | None = None

    def add(self, receipt: ChunkReceipt) -> None:
        """Count a chunk, and tell."""
        self.chunks += 1
        self.rows += receipt.rows
        self.rejected += receipt.rejected
        if receipt.rejected and self.first_bad is None:
            self.first_bad = receipt.index
        self.progress(Progress(self.rows, self.total, self.resumed_rows))

    def others(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that are still to be scored; the others are counted."""
        for chunk in chunks:
            if chunk.index in self.completed:
                self.resumed += 1
                self.resumed_rows += self.completed[chunk.index].rows
                self.add(self.completed[chunk.index])
            else:
                yield chunk
