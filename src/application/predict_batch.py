"""Score a whole source into a sink, chunk by chunk."""

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from time import perf_counter
from typing import TypeAlias

import numpy as np

from application.loading import LoadedModel, LoadModel
from application.ports import DataSource, PredictionSink
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
    seconds: Callable[[], float] = perf_counter

    def __call__(
        self,
        source: DataSource,
        sink: PredictionSink,
        ref: ModelRef,
        *,
        keep: Sequence[str] = (),
        chunk_rows: int = 100_000,
        workers: int = 1,
        progress: Callable[[Progress], None] = silent,
    ) -> BatchReport:
        """Score every row: afterwards, rows scored and rows rejected add up to the rows read.

        The model is asked on `workers` threads, for a chunk each; the result does not depend on
        how many there are.

        Raises:
            InvalidData: the input has no rows or lacks a column; nothing was written.
        """
        started = self.seconds()
        model = self.load(ref)
        data = source.version
        job = BatchJob.of(data, model.version, chunk_rows, keep)
        _require_columns(source, model, keep)
        if not data.rows:
            raise InvalidData(f"{data.uri}: there are no rows")
        completed = sink.completed(job)
        receipts: list[ChunkReceipt] = []
        scoring = _Scoring(source, model, keep, completed)
        for chunk, scored in scoring.in_order(source.plan(chunk_rows), workers):
            done = (
                completed[chunk.index] if scored is None else sink.write(job, chunk.index, *scored)
            )
            receipts.append(done)
            progress(Progress(chunk.start + chunk.rows, data.rows))
        sealed = sink.seal(job, len(receipts))
        rejected = sum(receipt.rejected for receipt in receipts)
        return BatchReport(
            job=job.id,
            model=job.model,
            output=sealed.output,
            rejects=sealed.rejects,
            rows=rejected + sum(receipt.scored for receipt in receipts),
            rejected=rejected,
            chunks=len(receipts),
            resumed_chunks=sum(receipt.index in completed for receipt in receipts),
            seconds=self.seconds() - started,
            ignored=tuple(
                name for name in model.manifest.schema.unknown(source.columns) if name not in keep
            ),
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


_Scored: TypeAlias = tuple[Table, list[Reject]]


@dataclass(frozen=True, slots=True)
class _Scoring:
    """Reads chunks one after the other and asks the model for several at a time."""

    source: DataSource
    model: LoadedModel
    keep: Sequence[str]
    completed: Container[int]

    def in_order(
        self, chunks: Iterator[Chunk], workers: int
    ) -> Iterator[tuple[Chunk, _Scored | None]]:
        """Give each chunk with what it came to, None for a completed one.

        No more than one chunk per worker, and one more, is in memory.
        """
        under_way: deque[tuple[Chunk, Future[_Scored] | None]] = deque()
        with ThreadPoolExecutor(workers, "scoring") as pool:
            for chunk in chunks:
                begun = None
                if chunk.index not in self.completed:
                    begun = pool.submit(self._score, chunk, self._read(chunk))
                under_way.append((chunk, begun))
                if len(under_way) > workers:
                    yield _finished(*under_way.popleft())
            while under_way:
                yield _finished(*under_way.popleft())

    def _read(self, chunk: Chunk) -> Table:
        wanted: Mapping[str, Kind | None] = {
            **dict.fromkeys(self.keep),
            **self.model.manifest.schema.kinds,
        }
        return self.source.read(chunk, wanted)

    def _score(self, chunk: Chunk, table: Table) -> _Scored:
        encoded = self.model.manifest.schema.encode_table(table)
        rows = np.flatnonzero(encoded.accepted)
        predictions = self.model.predictor.predict(encoded.matrix[rows])
        lacking = [replace(v, row=int(rows[v.row])) for v in unanswered(predictions)]
        if lacking:
            answered = np.isfinite(predictions)
            rows, predictions = rows[answered], predictions[answered]
        kept = Table({name: table.column(name) for name in self.keep}, len(table))[rows]
        scored = Table(
            {
                **kept.columns,
                PREDICTION: predictions,
                MODEL: Coded(np.zeros(len(kept), dtype=np.int32), (self.model.version.label,)),
            },
            len(kept),
        )
        return scored, _rejects([*encoded.violations, *lacking], chunk.start + 1)


def _finished(chunk: Chunk, begun: Future[_Scored] | None) -> tuple[Chunk, _Scored | None]:
    return chunk, None if begun is None else begun.result()


def _rejects(violations: Sequence[Violation], first: int) -> list[Reject]:
    in_order = sorted(violations, key=lambda violation: violation.row)
    by_row = groupby(in_order, key=lambda violation: violation.row)
    return [Reject(first + row, tuple(found)) for row, found in by_row]
