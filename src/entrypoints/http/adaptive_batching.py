"""Adaptive batching: one call of the model for all requests that wait at the same moment.

Requests that arrive while the event loop is busy share one call of the model. A single request is
answered at once: no request waits for others. The prediction of a row does not depend on the other
rows of the call (see `Predictor`), so batching changes no answer.
"""

import logging
from asyncio import Future, get_running_loop
from collections.abc import Callable, Sequence
from itertools import groupby
from time import perf_counter
from typing import NamedTuple, TypeAlias

import numpy as np

from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from entrypoints.http.middleware.request_metrics import ModelCallMetrics

log = logging.getLogger("modelport")

# The encoded features of each row, in order of the schema; None or NaN is a missing value.
Rows: TypeAlias = Sequence[Sequence[float | None]] | Matrix

# Takes the predictions of one request, or the error of the model.
Done: TypeAlias = Callable[[Vector | Exception], None]


class _Waiting(NamedTuple):
    model: LoadedModel
    rows: Rows
    done: Done
    since: float


def to_matrix(rows: Rows) -> Matrix:
    """Return rows as a matrix, shape (rows, features)."""
    return np.asarray(rows, dtype=np.float64)


def _concatenate(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    if any(isinstance(rows, np.ndarray) for rows in parts):
        return np.concatenate([to_matrix(rows) for rows in parts])
    return [row for rows in parts for row in rows]


class AdaptiveBatcher:
    """Collects the rows of concurrent requests; lives on one event loop."""

    def __init__(self) -> None:
        self.calls = ModelCallMetrics()
        self._waiting: list[_Waiting] = []
        self._peak = 0

    def predict(self, model: LoadedModel, rows: Rows) -> "Future[Vector]":
        """Return the future predictions of a model for rows; shape (rows,)."""
        future: Future[Vector] = get_running_loop().create_future()

        def done(values: Vector | Exception) -> None:
            if future.done():
                return
            if isinstance(values, Exception):
                future.set_exception(values)
            else:
                future.set_result(values)

        self.submit(model, rows, done)
        return future

    def submit(self, model: LoadedModel, rows: Rows, done: Done) -> None:
        """Call `done` with the predictions of a model for rows, in the next turn of the loop."""
        if not self._waiting:
            get_running_loop().call_soon(self.flush)
        self._waiting.append(_Waiting(model, rows, done, perf_counter()))

    def take_peak(self) -> int:
        """Return the largest number of requests in one batch since the last call."""
        peak, self._peak = self._peak, 0
        return peak

    def flush(self) -> None:
        """Predict for all requests that wait."""
        waiting, self._waiting = self._waiting, []
        self._peak = max(self._peak, len(waiting))
        for _, group in groupby(waiting, key=lambda request: id(request.model)):
            self._predict_batch([*group])

    def _predict_batch(self, requests: list[_Waiting]) -> None:
        model, begun = requests[0].model, perf_counter()
        rows = _concatenate([request.rows for request in requests])
        try:
            values: Vector | Exception = model.predictor.predict(to_matrix(rows))
        except Exception as error:  # noqa: BLE001 - every caller gets the error
            values = error
        since = [request.since for request in requests]
        self.calls.record(model.version.label, len(rows), begun, since)
        start = 0
        for request in requests:
            end = start + len(request.rows)
            try:
                request.done(values if isinstance(values, Exception) else values[start:end])
            except Exception:  # the other callers of the batch get their predictions
                log.exception("a response failed")
            start = end
