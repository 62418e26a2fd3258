"""What a worker does with a chunk: read it, score it, and write its part of the output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from application.model.load_model import PortableModel
from application.ports import DataSource, Explainer, Explainers, PredictionSink
from application.scoring.chunk_predictions import answers
from domain.data.dataset import Chunk
from domain.data.feature import Kind
from domain.data.schema import Matrix
from domain.data.table import Coded, Column, Table, plain
from domain.errors import Violation
from domain.scoring.batch_job import (
    MODEL,
    PREDICTION,
    BatchJob,
    ChunkReceipt,
    Reject,
    contribution_of,
)


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
        return self.sink.write_chunk(self.job, chunk.index, table, rejects)

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
        answered = answers(model, encoded.matrix, rows, self.job.extras)
        lacking = [replace(v, row=int(rows[v.row])) for v in answered.lacking]
        rows = rows[answered.rows]
        contributions = self._contributions(encoded.matrix, rows, answered.columns)
        kept = Table({name: table.column(name) for name in self.job.keep}, len(table))[rows]
        label = Coded(np.zeros(len(rows), dtype=np.int32), (model.version.label,))
        scored = Table(
            {**kept.columns, **answered.columns, **contributions, MODEL: label}, len(rows)
        )
        return scored, _rejects([*encoded.violations, *lacking], chunk)

    @cached_property
    def _explainer(self) -> Explainer | None:
        """Loaded where it is used, once: it is not sent to a worker."""
        if self.explainers is None:
            return None
        return self.explainers.load(self.model.loaded.manifest.schema, self.model.bundle.files)

    def _contributions(
        self, matrix: Matrix, rows: NDArray[np.intp], answered: Mapping[str, Column]
    ) -> dict[str, Column]:
        if self._explainer is None:
            return {}
        explained = self._explainer.explain(matrix[rows])
        explained.require_sum(plain(answered[PREDICTION]))
        columns = zip(self.job.explained, explained.contributions.T, strict=True)
        return {contribution_of(name): column.copy() for name, column in columns}


def _rejects(violations: Sequence[Violation], chunk: Chunk) -> list[Reject]:
    in_order = sorted(violations, key=lambda violation: violation.row)
    by_row = groupby(in_order, key=lambda violation: violation.row)
    first, first_in_file = chunk.start + 1, chunk.start - chunk.before_file + 1
    return [
        Reject(first + row, tuple(found), chunk.file, first_in_file + row if chunk.file else 0)
        for row, found in by_row
    ]
