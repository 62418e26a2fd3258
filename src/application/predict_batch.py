"""Score a whole source into a sink, chunk by chunk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from application.beside import beside
from application.loading import LoadedModel, LoadModel, PortableModel
from application.ports import DataSource, Executor, Explainer, Explainers, Finished, PredictionSink
from application.progress import Progress, silent
from domain.batch import (
    EXTRAPOLATES,
    LOWER,
    MODEL,
    PREDICTION,
    SEPARATOR,
    UPPER,
    BatchJob,
    BatchReport,
    ChunkReceipt,
    Reject,
    RejectLimit,
    contribution_of,
)
from domain.dataset import Chunk
from domain.errors import ChecksumMismatch, InvalidData, NotSupported, Violation
from domain.feature import Kind
from domain.model import ModelRef
from domain.prediction import PLAIN, Extras, unanswered
from domain.schema import Matrix
from domain.table import Coded, Column, Table, plain

_ASKED_AT_ONCE = 4096


@dataclass(frozen=True)
class PredictBatch:
    """Scores the rows that fit the schema and hands the others to the sink as rejects.

    Chunks that an interrupted run of the same job has written are not scored again, and a job
    that is finished is left as it is.
    """

    load: LoadModel
    executor: Executor
    seconds: Callable[[], float] = perf_counter
    explainers: Callable[[], Explainers] | None = None

    def __call__(
        self,
        source: DataSource,
        sink: PredictionSink,
        ref: ModelRef,
        *,
        keep: Sequence[str] = (),
        extras: Extras = PLAIN,
        explain: bool = False,
        chunk_rows: int = 100_000,
        workers: int | None = None,
        max_rejects: RejectLimit | None = None,
        progress: Callable[[Progress], None] = silent,
        began: Callable[[BatchJob], None] = lambda _: None,
    ) -> BatchReport:
        """Score every row: afterwards, rows scored and rows rejected add up to the rows read.

        At most `workers` chunks are worked on at once (None: one per core of the executor); the
        result does not depend on how many there are, nor on where they are. `began` is told which
        job it is, once that is known.

        Raises:
            InvalidData: the input has no rows or lacks a column, the model cannot answer what is
                asked for beside predictions, or more rows break the schema than `max_rejects`
                allows; the output is as it was.
            Conflict: another run writes to the output now.
            NotSupported: contributions are asked for where nothing explains.
        """
        started = self.seconds()
        version = beside(lambda: source.version)  # a large input is long looked at
        model = self.load.portable(ref)
        schema = model.loaded.manifest.schema
        data = version.result()
        explainers = self._explainers() if explain else None
        explained = schema.names if explain else ()
        job = BatchJob.of(data, model.version, chunk_rows, keep, extras, explained=explained)
        model.loaded.require(extras)
        _require_columns(source, model.loaded, keep)
        if not data.rows:
            raise InvalidData(f"{data.uri}: there are no rows")
        began(job)
        with sink.reserved(job):
            earlier = sink.finished(job)
            score = ScoreChunk(source, sink, model, job, explainers)
            limit = (max_rejects or RejectLimit()).of(data.rows)
            finished, resumed = (
                self._run(score, limit, workers, progress)
                if earlier is None
                else (earlier, earlier.chunks)
            )
        return BatchReport(
            job=job.id,
            model=job.model,
            output=finished.sealed.output,
            rejects=finished.sealed.rejects,
            rows=finished.scored + finished.rejected,
            rejected=finished.rejected,
            chunks=finished.chunks,
            resumed_chunks=resumed,
            seconds=self.seconds() - started,
            ignored=tuple(name for name in schema.unknown(source.columns) if name not in keep),
            was_finished=earlier is not None,
        )

    def _explainers(self) -> Explainers:
        if self.explainers is None:
            raise NotSupported("nothing explains predictions here")
        return self.explainers()

    def _run(
        self,
        score: "ScoreChunk",
        max_rejects: int,
        workers: int | None,
        progress: Callable[[Progress], None],
    ) -> tuple[Finished, int]:
        """Score what is not there yet; return what is there then, and how many chunks were."""
        source, sink, job = score.source, score.sink, score.job
        done = _Done(sink.completed(job), source.version.rows, progress)
        progress(Progress(0, done.total))
        others = done.others(source.plan(job.chunk_rows))
        # Closed before the output is let go of: then no worker of this run writes any more.
        with closing(self.executor.map(score, others, workers)) as receipts:
            for receipt in receipts:
                done.add(receipt)
                if done.rejected > max_rejects:
                    break
        if done.rejected > max_rejects:
            raise _too_many_rejects(score, done, max_rejects)
        if done.rows != done.total:
            raise ChecksumMismatch(
                f"{source.version.uri}: {done.rows:,} rows were read where {done.total:,} were "
                f"counted before; begin again"
            )
        sealed = sink.seal(job, done.chunks)
        scored = done.rows - done.rejected
        return Finished(sealed, done.chunks, scored, done.rejected), done.resumed


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


@dataclass(frozen=True)
class ScoreChunk:
    """Reads a chunk, scores it and writes its part of the output: what a worker does.

    It can be sent to another process, and leaves the same however often a chunk is scored.
    """

    source: DataSource
    sink: PredictionSink
    model: PortableModel
    job: BatchJob
    explainers: Explainers | None = None

    def __call__(self, chunk: Chunk) -> ChunkReceipt:
        """Return the receipt of the sink."""
        table, rejects = self._score(chunk, self._read(chunk))
        return self.sink.write(self.job, chunk.index, table, rejects)

    def rejects(self, index: int) -> list[Reject]:
        """Return what is wrong in a chunk; nothing is written."""
        chunk = next(c for c in self.source.plan(self.job.chunk_rows) if c.index == index)
        return self._score(chunk, self._read(chunk))[1]

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
        answers = _answers(model, encoded.matrix, rows, self.job.extras)
        lacking = [replace(v, row=int(rows[v.row])) for v in answers.lacking]
        rows = rows[answers.rows]
        contributions = self._contributions(encoded.matrix[rows], answers.columns)
        kept = Table({name: table.column(name) for name in self.job.keep}, len(table))[rows]
        label = Coded(np.zeros(len(rows), dtype=np.int32), (model.version.label,))
        scored = Table(
            {**kept.columns, **answers.columns, **contributions, MODEL: label}, len(rows)
        )
        return scored, _rejects([*encoded.violations, *lacking], chunk)

    @cached_property
    def _explainer(self) -> Explainer | None:
        """Loaded where it is used, once: it is not sent to a worker."""
        if self.explainers is None:
            return None
        return self.explainers.load(self.model.loaded.manifest.schema, self.model.bundle.files)

    def _contributions(self, matrix: Matrix, answers: Mapping[str, Column]) -> dict[str, Column]:
        if self._explainer is None:
            return {}
        explained = self._explainer.explain(matrix)
        explained.require_sum(plain(answers[PREDICTION]))
        columns = zip(self.job.explained, explained.contributions.T, strict=True)
        return {contribution_of(name): column.copy() for name, column in columns}


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a model answers: `columns` for the `rows` that it answers, and those it cannot."""

    rows: NDArray[np.intp]
    columns: Mapping[str, Column]
    lacking: tuple[Violation, ...]


def _answers(
    model: LoadedModel, matrix: Matrix, rows: NDArray[np.intp], extras: Extras
) -> _Answers:
    """Ask for as many rows at a time as fit into a cache; the answers are the same."""
    starts = range(0, max(len(rows), 1), _ASKED_AT_ONCE)
    parts = [_ask(model, matrix[rows[at : at + _ASKED_AT_ONCE]], at, extras) for at in starts]
    tables = [Table.of(part.columns) for part in parts]
    return _Answers(
        np.concatenate([part.rows for part in parts]),
        Table.concat(tables).columns,
        tuple(violation for part in parts for violation in part.lacking),
    )


def _ask(model: LoadedModel, matrix: Matrix, first: int, extras: Extras) -> _Answers:
    predictions = model.predictor.predict(matrix)
    lacking = [*unanswered(predictions)]
    rows = np.flatnonzero(np.isfinite(predictions))
    columns: dict[str, Column] = {PREDICTION: predictions[rows]}
    if extras.interval is not None:
        bounds = model.bounds(matrix[rows], predictions[rows], extras.interval)
        lacking += [replace(v, row=int(rows[v.row])) for v in unanswered(bounds.width)]
        finite = np.isfinite(bounds.width)
        rows, columns = rows[finite], {PREDICTION: predictions[rows[finite]]}
        columns |= {LOWER: bounds.lower[finite], UPPER: bounds.upper[finite]}
    if extras.extrapolates:
        columns[EXTRAPOLATES] = _named(model.beyond(matrix[rows]))
    return _Answers(rows + first, columns, tuple(replace(v, row=v.row + first) for v in lacking))


def _named(beyond: Sequence[tuple[str, ...]]) -> NDArray[np.object_]:
    """Return the names of features as texts, None where there are none."""
    texts = np.empty(len(beyond), dtype=object)
    texts[:] = [SEPARATOR.join(names) or None for names in beyond]
    return texts


def _too_many_rejects(score: ScoreChunk, done: _Done, allowed: int) -> InvalidData:
    first = score.rejects(done.first_bad or 0)[0]
    fault = first.violations[0]
    where = f"row {first.row}, {fault.field}" if fault.field else f"row {first.row}"
    where += f" (row {first.row_in_file} of {first.file!r})" if first.file else ""
    return InvalidData(
        f"{score.source.version.uri}: {done.rejected:,} of {done.rows:,} rows so far break the "
        f"schema, and of all {done.total:,} no more than {allowed:,} may (max rejects); the first "
        f"is {where}: {fault.problem}; allowed: {fault.allowed}. The output was left as it was"
    )


def _rejects(violations: Sequence[Violation], chunk: Chunk) -> list[Reject]:
    in_order = sorted(violations, key=lambda violation: violation.row)
    by_row = groupby(in_order, key=lambda violation: violation.row)
    first, first_in_file = chunk.start + 1, chunk.start - chunk.before_file + 1
    return [
        Reject(first + row, tuple(found), chunk.file, first_in_file + row if chunk.file else 0)
        for row, found in by_row
    ]
