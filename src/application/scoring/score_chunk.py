"""Score one chunk of a batch job: read, predict, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from application.model.load_model import LoadedModel, PortableModel
from application.ports import DataSource, Explainer, Explainers, PredictionSink
from application.scoring.explain_rows import encoding_predictor
from domain.data.dataset import Chunk
from domain.data.feature import Kind
from domain.data.schema import Matrix
from domain.data.table import Coded, Column, Kept, Table
from domain.data.value_type import ValueType
from domain.errors import Violation
from domain.scoring.batch_job import (
    EXTRAPOLATES,
    LOWER,
    MODEL,
    PREDICTION,
    ROW,
    SEPARATOR,
    UPPER,
    BatchJob,
    ChunkReceipt,
    Reject,
    contribution_of,
)
from domain.scoring.prediction import non_finite

# Rows per block, so that a block stays in a core's cache; predictions do not depend on it.
_ROWS_PER_BLOCK = 4096

Positions = NDArray[np.intp]

_TYPES = {
    Kind.NUMBER: ValueType.NUMBER,
    Kind.INTEGER: ValueType.SMALL_INTEGER,
    Kind.BOOLEAN: ValueType.BOOLEAN,
}


@dataclass(frozen=True)
class ScoreChunk:
    """The task of a worker: scores a chunk and writes its part of the output.

    Picklable. Scoring a chunk again writes the same. `kept` are the types of the kept columns.
    """

    source: DataSource
    sink: PredictionSink
    model: PortableModel
    job: BatchJob
    kept: Mapping[str, ValueType]
    explainers: Explainers | None = None

    def __call__(self, chunk: Chunk) -> ChunkReceipt:
        """Return the receipt of the sink."""
        table, rejects = self._score(chunk)
        return self.sink.write_chunk(self.job, chunk.index, table, rejects)

    def write_empty(self) -> ChunkReceipt:
        """Write the first chunk of a table without rows, from which the output has its columns."""
        kinds = {**dict.fromkeys(self.job.keep), **self.model.loaded.manifest.schema.kinds}
        numbers = (Kind.NUMBER, Kind.INTEGER)
        empty = {
            name: np.empty(0, dtype=np.float64 if kind in numbers else object)
            for name, kind in kinds.items()
        }
        scored, _ = self._score_rows(Chunk(0, 0, 0), Table(empty, 0))
        return self.sink.write_chunk(self.job, 0, scored, ())

    def rejects(self, index: int) -> list[Reject]:
        """Return the rejects of a chunk; nothing is written."""
        chunk = next(c for c in self.source.plan(self.job.chunk_rows) if c.index == index)
        return self._score(chunk)[1]

    def _score(self, chunk: Chunk) -> tuple[Table, list[Reject]]:
        kinds = self.model.loaded.manifest.schema.kinds
        wanted: Mapping[str, Kind | None] = {**dict.fromkeys(self.job.keep), **kinds}
        scored, violations = self._score_rows(chunk, self.source.read(chunk, wanted))
        return scored, _rejects(violations, chunk)

    def _score_rows(self, chunk: Chunk, table: Table) -> tuple[Table, list[Violation]]:
        """Return the output columns of the valid rows, and the violations of the others."""
        model = self.model.loaded
        encoded = model.manifest.schema.encode_table(table)
        valid = np.flatnonzero(encoded.accepted)
        blocks = [
            self._score_block(model, encoded.matrix, valid[start : start + _ROWS_PER_BLOCK])
            for start in range(0, max(len(valid), 1), _ROWS_PER_BLOCK)
        ]
        rows = np.concatenate([block.rows for block in blocks])
        columns = Table.concat([Table.of(block.columns) for block in blocks]).columns
        label = Coded(np.zeros(len(rows), dtype=np.int32), (model.version.label,))
        scored = Table(
            {**self._kept(chunk, table)[rows].columns, **columns, MODEL: label}, len(rows)
        )
        return scored, [*encoded.violations, *(v for block in blocks for v in block.violations)]

    def _kept(self, chunk: Chunk, table: Table) -> Table:
        """Return the columns of a chunk that are written with the predictions.

        A kept feature is as the model reads it, unless that loses digits.
        """
        kinds = self.model.loaded.manifest.schema.kinds
        exact = (ValueType.INTEGER, ValueType.EXACT)
        inexact = [n for n, kind in self.kept.items() if n in kinds and kind in exact]
        unchanged = {**table.columns}
        if inexact and chunk.rows:
            unchanged |= self.source.read(chunk, dict.fromkeys(inexact)).columns
        columns: dict[str, Column] = {}
        for name, found in self.kept.items():
            as_read = name in kinds and name not in inexact
            of_values = _TYPES.get(kinds[name], ValueType.TEXT) if as_read else found
            column = unchanged[name]
            columns[name] = Kept(of_values, column.values if isinstance(column, Kept) else column)
        if self.job.row_number or ROW in self.sink.key_columns:
            columns[ROW] = chunk.start + 1 + np.arange(chunk.rows)
        return Table(columns, len(table))

    @cached_property
    def _explainer(self) -> Explainer | None:
        """The explainer of this worker, loaded on first use; None without explanations."""
        if self.explainers is None:
            return None
        return self.explainers.load(
            encoding_predictor(self.model.loaded).encoding, self.model.bundle.files
        )

    def _score_block(self, model: LoadedModel, matrix: Matrix, rows: Positions) -> "_Block":
        """Return what is written for the valid rows at some positions of a chunk."""
        options, explainer, block = self.job.options, self._explainer, matrix[rows]
        encoded = None if explainer is None else encoding_predictor(model).encode(block)
        predictions = (
            model.predictor.predict(block)
            if encoded is None
            else encoding_predictor(model).score(encoded)
        )
        violations = _at(rows, non_finite(predictions))
        kept = np.flatnonzero(np.isfinite(predictions))
        interval: dict[str, Column] = {}
        if options.interval is not None:
            bounds = model.bounds(block[kept], predictions[kept], options.interval)
            violations += _at(rows[kept], non_finite(bounds.width))
            finite = np.isfinite(bounds.width)
            kept = kept[finite]
            interval = {LOWER: bounds.lower[finite], UPPER: bounds.upper[finite]}
        columns: dict[str, Column] = {PREDICTION: predictions[kept], **interval}
        if options.extrapolates:
            columns[EXTRAPOLATES] = _joined(model.out_of_domain(block[kept]))
        if explainer is not None and encoded is not None:
            explained = explainer.explain(encoded[kept])
            explained.require_sum(predictions[kept], model.manifest.schema.target)
            parts = zip(self.job.explained, explained.contributions.T, strict=True)
            columns |= {contribution_of(name): column.copy() for name, column in parts}
        return _Block(rows[kept], columns, violations)


@dataclass(frozen=True, slots=True)
class _Block:
    """The scored rows, by position in the chunk, their output columns, and what is not scored."""

    rows: Positions
    columns: Mapping[str, Column]
    violations: list[Violation]


def _at(rows: Positions, violations: Sequence[Violation]) -> list[Violation]:
    return [replace(violation, row=int(rows[violation.row])) for violation in violations]


def _joined(names: Sequence[tuple[str, ...]]) -> NDArray[np.object_]:
    """Return the names of features of each row as one text, None without any."""
    texts = np.empty(len(names), dtype=object)
    texts[:] = [SEPARATOR.join(of_row) or None for of_row in names]
    return texts


def _rejects(violations: Sequence[Violation], chunk: Chunk) -> list[Reject]:
    in_order = sorted(violations, key=lambda violation: violation.row)
    by_row = groupby(in_order, key=lambda violation: violation.row)
    first, first_in_file = chunk.start + 1, chunk.start - chunk.before_file + 1
    return [
        Reject(first + row, tuple(found), chunk.file, first_in_file + row if chunk.file else 0)
        for row, found in by_row
    ]
