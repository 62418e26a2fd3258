"""The data plane: the path of rows from a request to the model, shared by all protocols."""

from asyncio import Future, get_running_loop
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count
from time import perf_counter
from typing import ParamSpec, TypeVar

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, PredictOne, predict, with_options
from application.serving.served_model import ServedModel
from domain.data.schema import Matrix
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.adaptive_batching import AdaptiveBatcher, Rows, to_matrix

# More records are checked on a thread, so that smaller requests do not wait for them.
MAX_RECORDS_ON_LOOP = 64

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu_count() or 1, "data-plane")


@dataclass
class DataPlane:
    """The served model and the batching of requests; lives on one event loop."""

    serving: ServedModel
    predict_one: PredictOne
    max_body_bytes: int
    batcher: AdaptiveBatcher = field(default_factory=AdaptiveBatcher, init=False)
    _threads: ThreadPoolExecutor = field(default_factory=_threads, init=False)

    def on_thread(
        self, task: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> "Future[_Result]":
        """Return the future result of work of a request, on a thread for such work only.

        Background tasks use the threads of the event loop and never wait for requests.
        """
        since = perf_counter()

        def run() -> _Result:
            self.batcher.calls.record_wait(since)
            return task(*args, **kwargs)

        return get_running_loop().run_in_executor(self._threads, run)

    async def predict(
        self, model: LoadedModel, rows: Rows, options: PredictionOptions = PLAIN
    ) -> Predictions:
        """Return the predictions for encoded rows, computed together with concurrent requests.

        Raises:
            InvalidRows: a row has no finite prediction.
            InvalidData: the model does not support an option.
        """
        vector = await self.batcher.predict(model, rows)
        predictions = Predictions(vector, model.version.label)
        if options is PLAIN:
            return predictions
        return with_options(model, to_matrix(rows), predictions, options)

    async def predict_records(
        self, records: Sequence[object], options: PredictionOptions
    ) -> Predictions:
        """Return the predictions for records.

        Raises:
            InvalidRows, InvalidData, TooLarge, Unavailable: as `PredictOne` does.
        """
        model = self.serving.model()
        if len(records) > MAX_RECORDS_ON_LOOP:
            return await self.on_thread(
                lambda: self.predict_alone(
                    model, self.predict_one.encode(records, model, options), options
                )
            )
        return await self.predict(model, self.predict_one.encode(records, model, options), options)

    def predict_alone(
        self, model: LoadedModel, matrix: Matrix, options: PredictionOptions = PLAIN
    ) -> Predictions:
        """Return the predictions for the rows of a large request, on the thread of the caller.

        Raises:
            InvalidRows, InvalidData: as `predict`.
        """
        begun = perf_counter()
        predictions = predict(model, matrix, options)
        self.batcher.calls.record(model.version.label, len(matrix), begun, ())
        return predictions
