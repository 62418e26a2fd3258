"""Score a whole source into a sink, chunk by chunk."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

from application.model.load_model import LoadedModel, LoadModel
from application.ports import DataSource, Executor, Explainers, FinishedJob, PredictionSink
from application.scoring.background import beside
from application.scoring.progress import Progress, silent
from application.scoring.score_chunk import ScoreChunk
from application.scoring.tally import Tally
from domain.errors import ChecksumMismatch, InvalidData, NotSupported
from domain.model.reference import ModelRef
from domain.scoring.batch_job import BatchJob, BatchReport, RejectLimit
from domain.scoring.prediction import PLAIN, PredictionOptions


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
        extras: PredictionOptions = PLAIN,
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
        with sink.locked(job):
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
            output=finished.published.output,
            rejects=finished.published.rejects,
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
        score: ScoreChunk,
        max_rejects: int,
        workers: int | None,
        progress: Callable[[Progress], None],
    ) -> tuple[FinishedJob, int]:
        """Score what is not there yet; return what is there then, and how many chunks were."""
        source, sink, job = score.source, score.sink, score.job
        done = Tally(sink.completed_chunks(job), source.version.rows, progress)
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
        published = sink.publish(job, done.chunks)
        scored = done.rows - done.rejected
        return FinishedJob(published, done.chunks, scored, done.rejected), done.resumed


def _require_columns(source: DataSource, model: LoadedModel, keep: Sequence[str]) -> None:
    where = source.version.uri
    model.manifest.schema.require(source.columns, where)
    lacking = [name for name in keep if name not in source.columns]
    if lacking:
        raise InvalidData(
            f"{where}: no column {', '.join(map(repr, lacking))} to keep; "
            f"it has {', '.join(map(repr, source.columns))}"
        )


def _too_many_rejects(score: ScoreChunk, done: Tally, allowed: int) -> InvalidData:
    first = score.rejects(done.first_bad or 0)[0]
    fault = first.violations[0]
    where = f"row {first.row}, {fault.field}" if fault.field else f"row {first.row}"
    where += f" (row {first.row_in_file} of {first.file!r})" if first.file else ""
    return InvalidData(
        f"{score.source.version.uri}: {done.rejected:,} of {done.rows:,} rows so far break the "
        f"schema, and of all {done.total:,} no more than {allowed:,} may (max rejects); the first "
        f"is {where}: {fault.problem}; allowed: {fault.allowed}. The output was left as it was"
    )
