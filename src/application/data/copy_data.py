"""Copy a source to a sink without changes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from application.ports import DataSource, PredictionSink
from application.scoring.progress import Progress, silent
from domain.data.dataset import Chunk
from domain.data.table import Column, Kept, Table
from domain.data.value_type import ValueType
from domain.errors import UnreadableData
from domain.scoring.batch_job import ROW, BatchJob, require_no_key_column

_ROWS_AT_ONCE = 262_144


@dataclass(frozen=True)
class CopyData:
    """Streams every row and column, for example from a file to a database."""

    def __call__(
        self,
        source: DataSource,
        sink: PredictionSink,
        progress: Callable[[Progress], None] = silent,
    ) -> str:
        """Return the address of the copy."""
        data, columns = source.version, dict.fromkeys(source.columns)
        require_no_key_column(source.columns, sink.key_columns, data.uri)
        types = source.value_types(source.columns)
        job = BatchJob(data.sha256, "copy", "", _ROWS_AT_ONCE)
        count = 0
        with sink.locked(job):
            for chunk in source.plan(_ROWS_AT_ONCE):
                table = source.read(chunk, columns)
                _require_whole_rows(table, chunk, data.uri)
                copied = {name: _typed(c, types[name]) for name, c in table.columns.items()}
                if ROW in sink.key_columns:
                    copied[ROW] = chunk.start + 1 + np.arange(chunk.rows)
                sink.write_chunk(job, chunk.index, Table(copied, len(table)), ())
                count += 1
                progress(Progress(chunk.start + chunk.rows, data.rows))
            return sink.publish(job, count).output


def _typed(column: Column, value_type: ValueType) -> Column:
    return Kept(value_type, column.values) if isinstance(column, Kept) else column


def _require_whole_rows(table: Table, chunk: Chunk, uri: str) -> None:
    if table.faults:
        first = table.faults[0]
        raise UnreadableData(
            f"{uri}: row {chunk.start + first.row + 1} {first.problem}; allowed: {first.allowed}"
        )
