"""The data plane that every protocol stands before: how rows get from a request to the model."""

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, PredictOne, answer
from application.serving.served_model import ServedModel
from domain.data.table import Table
from entrypoints.http.adaptive_batching import AdaptiveBatcher
from entrypoints.http.fast_path.row_reader import RowReader, Rows

T = TypeVar("T")

# What is wrong with many rows takes longer to put into words than right ones take to answer:
# beyond so many bytes it is done on a thread.
WRONG_BYTES_WORTH_A_THREAD = 16_384


@dataclass
class DataPlane:
    """The model that is served, and what requests of all protocols share on their way to it."""

    serving: ServedModel
    predict_one: PredictOne
    max_body_bytes: int
    batcher: AdaptiveBatcher = field(default_factory=AdaptiveBatcher, init=False)
    _reader: tuple[LoadedModel, RowReader] | None = field(default=None, init=False)

    def reader(self, model: LoadedModel) -> RowReader:
        """Return what reads rows for a model."""
        # Looked at once: another thread may put the reader of another model there meanwhile.
        reader = self._reader
        if reader is None or reader[0] is not model:
            reader = self._reader = (model, RowReader(model.manifest.schema))
        return reader[1]

    async def ask(self, model: LoadedModel, rows: Rows) -> Predictions:
        """Return what a model answers to rows, asked together with those of other requests.

        Raises:
            InvalidRows: it has no finite number as its answer to some row.
        """
        return Predictions(await self.batcher.predict(model, rows), model.version.label)

    async def ask_table(self, model: LoadedModel, table: Table, size: int) -> Predictions:
        """Return what a model answers to a table, that was read from so many bytes.

        Raises:
            InvalidRows: a field is not allowed, or there is no finite answer to a row.
            InvalidData: a feature has no column.
        """
        rows = self.reader(model).columns.read_table(table)
        if rows is not None:
            return await self.ask(model, rows)
        return await thoroughly(lambda: self.predict_one.table(table, model), size)

    def answer_table(self, model: LoadedModel, table: Table) -> Predictions:
        """Return what a model answers to a table, asked by itself on any thread.

        Raises:
            InvalidRows: a field is not allowed, or there is no finite answer to a row.
            InvalidData: a feature has no column.
        """
        rows = self.reader(model).columns.read_table(table)
        return self.predict_one.table(table, model) if rows is None else answer(model, rows)


async def thoroughly(work: Callable[[], T], size: int) -> T:
    """Do what finds the words for what is wrong with a body of so many bytes."""
    return await to_thread(work) if size > WRONG_BYTES_WORTH_A_THREAD else work()
