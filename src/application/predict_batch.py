"""Score a whole source into a sink, chunk by chunk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from time import perf_counter

import numpy as np

from application.loading import LoadedModel, LoadModel, PortableModel
from application.ports import DataSource, Executor, PredictionSink
from application.progress import Progress, silent
from domain.batch import MODEL, PREDICTION, BatchJob, BatchReport, ChunkReceipt, Reject
from domain.dataset import Chunk
from domain.errors import InvalidData, Violation
from domain.feature import Kind
from domain.model import ModelRef
from domain.prediction import unanswered
from domain.table import Coded, Table


@dataclass(frozen=True)
class PredictBatch:
    """Scores the rows that fit the schema and hands the others to the sink as rejects.

    Chunks that an interrupted run of the same job has written are not scored again.
    """

    load: LoadModel
    executor: Executor
    seconds: Callable[[], float] = perf_counter

    def __call__(
        self,
        source: DataSource,
        sink: PredictionSink,
        ref: ModelRef,
        *,
        keep: Sequence[str] = (),
        chunk_rows: int = 100_000,
        workers: int | None = None,
        progress: Callable[[Progress], None] = silent,
    ) -> BatchReport:
        """Score every row: afterwards, rows scored and rows rejected add up to the rows read.

        At most `workers` chunks are worked on at once (None: one per core of the executor); the
        result does not depend on how many there are, nor on where they are.

        Raises:
            InvalidData: the input has no rows or lacks a column; nothing was written.
        """
        started = self.seconds()
        model = self.load.portable(ref)
        schema = model.loaded.manifest.schema
        data = source.version
        job = BatchJob.of(data, model.version, chunk_rows, keep)
        _require_columns(source, model.loaded, keep)
        if not data.rows:
            raise InvalidData(f"{data.uri}: there are no rows")
        done = _Done(sink.completed(job), data.rows, progress)
        score = ScoreChunk(source, sink, model, job)
        for receipt in self.executor.map(score, done.others(source.plan(chunk_rows)), workers):
            done.add(receipt)
        sealed = sink.seal(job, done.chunks)
        return BatchReport(
            job=job.id,
            model=job.model,
            output=sealed.output,
            rejects=sealed.rejects,
            rows=done.rows,
            rejected=done.rejected,
            chunks=done.chunks,
            resumed_chunks=done.resumed,
            seconds=self.seconds() - started,
            ignored=tuple(name for name in schema.unknown(source.columns) if name not in keep),
        )


def _require_columns(source: DataSource, model: LoadedModel, keep: Sequence[str]) -> None:
    where = source.version.uri
    model.manifest.schema.require(source.columns, where)
    lacking = [name for name in keep if name not in source.columns]
    if lacking:
        raise InvalidData(
            f"{where}: no column {', '.join(map(repr, lacking))} to keep; "
            f"it has {', '.join(map(repr, source.columns))}"
        )


@dataclass
class _Done:
    """Counts what is written, now or by an earlier run of the job."""

    completed: Mapping[int, ChunkReceipt]
    total: int
    progress: Callable[[Progress], None]
    chunks: int = 0
    resumed: int = 0
    rows: int = 0
    rejected: int = 0

    def add(self, receipt: ChunkReceipt) -> None:
        """Count a chunk, and tell."""
        self.chunks += 1
        self.rows += receipt.rows
        self.rejected += receipt.rejected
        self.progress(Progress(self.rows, self.total))

    def others(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that are still to be scored; the others are counted."""
        for chunk in chunks:
            if chunk.index in self.completed:
                self.resumed += 1
                self.add(self.completed[chunk.index])
            else:
                yield chunk


@dataclass(frozen=True)
class ScoreChunk:
    """Reads a chunk, scores it and writes its part of the output: what a worker does.

    It can be sent to another process, and leaves the same however often a chunk is scored.
    """

    source: DataSource
    sink: PredictionSink
    model: PortableModel
    job: BatchJob

    def __call__(self, chunk: Chunk) -> ChunkReceipt:
        """Return the receipt of the sink."""
        table, rejects = self._score(chunk, self._read(chunk))
        return self.sink.write(self.job, chunk.index, table, rejects)

    def _read(self, chunk: Chunk) -> Table:
        wanted: Mapping[str, Kind | None] = {
            **dict.fromkeys(self.job.keep),
            **self.model.loaded.manifest.schema.kinds,
        }
        return self.source.read(chunk, wanted)

    def _score(self, chunk: Chunk, table: Table) -> tuple[Table, list[Reject]]:
        model = self.model.loaded
        encoded = model.manifest.schema.encode_table(table)
        rows = np.flatnonzero(encoded.accepted)
        predictions = model.predictor.predict(encoded.matrix[rows])
        lacking = [replace(v, row=int(rows[v.row])) for v in unanswered(predictions)]
        if lacking:
            answered = np.isfinite(predictions)
            rows, predictions = rows[answered], predictions[answered]
        kept = Table({name: table.column(name) for name in self.job.keep}, len(table))[rows]
        scored = Table(
            {
                **kept.columns,
                PREDICTION: predictions,
                MODEL: Coded(np.zeros(len(kept), dtype=np.int32), (model.version.label,)),
            },
            len(kept),
        )
        return scored, _rejects([*encoded.violations, *lacking], chunk.start + 1)


def _rejects(violations: Sequence[Violation], first: int) -> list[Reject]:
    in_order = sorted(violations, key=lambda violation: violation.row)
    by_row = groupby(in_order, key=lambda violation: violation.row)
    return [Reject(first + row, tuple(found)) for row, found in by_row]
