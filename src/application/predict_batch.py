"""Score a whole source into a sink, chunk by chunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from time import perf_counter

import numpy as np

from application.loading import LoadedModel, LoadModel
from application.ports import DataSource, PredictionSink
from application.progress import Progress, silent
from domain.batch import MODEL, PREDICTION, BatchJob, BatchReport, ChunkReceipt, Reject
from domain.dataset import Chunk
from domain.errors import InvalidData, Violation
from domain.feature import Kind
from domain.model import ModelRef
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
        progress: Callable[[Progress], None] = silent,
    ) -> BatchReport:
        """Score every row: afterwards, rows scored and rows rejected add up to the rows read.

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
        for chunk in source.plan(chunk_rows):
            receipt = completed.get(chunk.index)
            if receipt is None:
                receipt = sink.write(job, chunk.index, *_score(source, chunk, model, keep))
            receipts.append(receipt)
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


def _score(
    source: DataSource, chunk: Chunk, model: LoadedModel, keep: Sequence[str]
) -> tuple[Table, list[Reject]]:
    schema = model.manifest.schema
    wanted: Mapping[str, Kind | None] = {**dict.fromkeys(keep), **schema.kinds}
    table = source.read(chunk, wanted)
    encoded = schema.encode_table(table)
    accepted = encoded.accepted
    kept = Table({name: table.column(name) for name in keep}, len(table))[accepted]
    scored = Table(
        {
            **kept.columns,
            PREDICTION: model.predictor.predict(encoded.matrix[accepted]),
            MODEL: Coded(np.zeros(len(kept), dtype=np.int32), (model.version.label,)),
        },
        len(kept),
    )
    return scored, _rejects(encoded.violations, chunk.start + 1)


def _rejects(violations: Sequence[Violation], first: int) -> list[Reject]:
    by_row = groupby(violations, key=lambda violation: violation.row)
    return [Reject(first + row, tuple(found)) for row, found in by_row]
