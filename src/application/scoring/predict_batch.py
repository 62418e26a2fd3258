"""Score a whole source into a sink, chunk by chunk."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter

from application.model.load_model import LoadModel, PortableModel
from application.ports import DataSource, Executor, Explainers, FinishedJob, PredictionSink
from application.scoring.progress import ChunkCounts, Progress, silent
from application.scoring.score_chunk import ScoreChunk
from domain.data.schema import Schema
from domain.data.value_type import ValueType
from domain.errors import ChecksumMismatch, InvalidData, NotSupported
from domain.model.reference import ModelRef, ModelVersion
from domain.scoring.batch_job import (
    ROW,
    BatchJob,
    BatchReport,
    RejectLimit,
    require_no_key_column,
)
from domain.scoring.prediction import PLAIN, PredictionOptions


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a batch job computes, and how.

    `keep` are the columns of the input that the output gets, too. With `row_number` it gets the
    number of each row in the input, which a database has anyhow. `workers` is the number of chunks
    scored at once (None: one per core of the executor); the output does not depend on it.
    """

    keep: Sequence[str] = ()
    predictions: PredictionOptions = PLAIN
    explain: bool = False
    row_number: bool = False
    chunk_rows: int = 100_000
    workers: int | None = None
    max_rejects: RejectLimit = field(default_factory=RejectLimit)


DEFAULTS = BatchOptions()


@dataclass(frozen=True)
class PredictBatch:
    """Scores the valid rows of a source and writes the others to the sink as rejects.

    Chunks that an interrupted run of the same job has written are not scored again, and a finished
    job is left unchanged.
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
        options: BatchOptions = DEFAULTS,
        *,
        progress: Callable[[Progress], None] = silent,
        began: Callable[[BatchJob], None] = lambda _: None,
    ) -> BatchReport:
        """Score every row: rows scored and rows rejected add up to the rows read.

        Without rows, the output has only columns. `began` is called before anything is written.

        Raises:
            InvalidData: the input lacks a column, the model does not support an option, or more
                rows are rejected than allowed; the output is unchanged.
            Conflict: another run writes to the output.
            NotSupported: explanations are not available.
        """
        started = self.seconds()
        score = self._prepare(source, sink, ref, options)
        job, schema = score.job, score.model.loaded.manifest.schema
        began(job)
        with sink.locked(job):
            earlier = sink.finished(job)
            finished, resumed = (
                self._run(score, options, progress)
                if earlier is None
                else (earlier, earlier.chunks)
            )
        unknown = schema.unknown(source.columns)
        return BatchReport(
            job=job.id,
            model=job.model,
            output=finished.published.output,
            rejects=finished.published.rejects,
            rows=finished.scored + finished.rejected,
            rejected=finished.rejected,
            chunks=finished.chunks,
            resumed_chunks=resumed,
            seconds=self.seconds() - started,
            ignored=tuple(name for name in unknown if name not in options.keep),
            was_finished=earlier is not None,
        )

    def _prepare(
        self, source: DataSource, sink: PredictionSink, ref: ModelRef, options: BatchOptions
    ) -> ScoreChunk:
        """Load the model while the version of the source is computed, and check both."""
        version = self.load.store.resolve(ref)
        with ThreadPoolExecutor(1) as thread:  # the digest of a large input takes long
            loading = thread.submit(self._load, version)
            data = source.version
            model = loading.result()
        schema = model.loaded.manifest.schema
        job = BatchJob(
            data_sha256=data.sha256,
            model=version.label,
            bundle_id=version.bundle_id,
            chunk_rows=options.chunk_rows,
            keep=tuple(options.keep),
            options=options.predictions,
            explained=schema.names if options.explain else (),
            row_number=options.row_number and ROW not in sink.key_columns,
        )
        explainers = self._explainers() if options.explain else None
        model.loaded.require(options.predictions)
        if data.rows or source.columns:  # JSON Lines without rows have no columns
            _require_columns(source, schema, options.keep)
        require_no_key_column(job.keep, sink.key_columns, data.uri)
        there = source.value_types([name for name in job.keep if name in source.columns])
        kept = {name: there.get(name, ValueType.MISSING) for name in job.keep}
        return ScoreChunk(source, sink, model, job, kept, explainers)

    def _load(self, version: ModelVersion) -> PortableModel:
        model = self.load.portable(version)
        _ = model.loaded
        return model

    def _explainers(self) -> Explainers:
        if self.explainers is None:
            raise NotSupported("explanations are not available here")
        return self.explainers()

    def _run(
        self, score: ScoreChunk, options: BatchOptions, progress: Callable[[Progress], None]
    ) -> tuple[FinishedJob, int]:
        """Score the remaining chunks and publish; also return the number of resumed chunks."""
        source, sink, job = score.source, score.sink, score.job
        counts = ChunkCounts(sink.completed_chunks(job), source.version.rows, progress)
        allowed = options.max_rejects.of(counts.total)
        progress(Progress(0, counts.total))
        remaining = counts.remaining(source.plan(job.chunk_rows))
        # Closing waits for the workers, so that none writes after the lock is released.
        with closing(self.executor.map(score, remaining, options.workers)) as receipts:
            for receipt in receipts:
                counts.add(receipt)
                if counts.rejected > allowed:
                    break
        if counts.rejected > allowed:
            raise _too_many_rejects(score, counts, allowed)
        if counts.rows != counts.total:
            raise ChecksumMismatch(
                f"{source.version.uri}: {counts.rows:,} rows were read where {counts.total:,} were "
                f"counted before; run again"
            )
        if not counts.chunks:
            counts.add(score.write_empty())
        published = sink.publish(job, counts.chunks)
        scored = counts.rows - counts.rejected
        return FinishedJob(published, counts.chunks, scored, counts.rejected), counts.resumed


def _require_columns(source: DataSource, schema: Schema, keep: Sequence[str]) -> None:
    where = source.version.uri
    schema.require(source.columns, where)
    missing = [name for name in keep if name not in source.columns]
    if missing:
        raise InvalidData(
            f"{where}: no column {', '.join(map(repr, missing))} to keep; "
            f"it has {', '.join(map(repr, source.columns))}"
        )


def _too_many_rejects(score: ScoreChunk, counts: ChunkCounts, allowed: int) -> InvalidData:
    first = score.rejects(counts.first_with_rejects or 0)[0]
    violation = first.violations[0]
    where = f"row {first.row}, {violation.field}" if violation.field else f"row {first.row}"
    where += f" (row {first.row_in_file} of {first.file!r})" if first.file else ""
    return InvalidData(
        f"{score.source.version.uri}: {counts.rejected:,} of {counts.rows:,} rows so far break the "
        f"schema; at most {allowed:,} of {counts.total:,} may (max rejects); the first is {where}: "
        f"{violation.problem}; allowed: {violation.allowed}. The output is unchanged"
    )
