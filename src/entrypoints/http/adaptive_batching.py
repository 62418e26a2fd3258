"""Adaptive batching: one call of the model for all requests that wait at the same moment.

Requests that arrive while the event loop is busy share one call of the model. A single request is
answered at once: no request waits for others. The prediction of a row does not depend on the other
rows of the call (see `Predictor`), so batching changes no answer.
"""

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

import numpy as np

from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix

# The encoded features of each row, in order of the schema; None or NaN is a missing value.
Rows: TypeAlias = Sequence[Sequence[float | None]] | Matrix

_Waiting: TypeAlias = tuple[LoadedModel, Rows, "Future[Vector]"]


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
    """Collects the rows of concurrent requests; lives on one event loop.

    `calls` counts the batches.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._peak = 0
        self.calls = 0

    def predict(self, model: LoadedModel, rows: Rows) -> "Future[Vector]":
        """Return the future predictions of a model for rows; shape (rows,)."""
        loop: AbstractEventLoop = get_running_loop()
        future: Future[Vector] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._predict_all)
        self._waiting.append((model, rows, future))
        return future

    def take_peak(self) -> int:
        """Return the largest number of requests in one batch since the last call."""
        peak, self._peak = self._peak, 0
        return peak

    def _predict_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.calls += 1
        self._peak = max(self._peak, len(waiting))
        for _, group in groupby(waiting, key=lambda request: id(request[0])):
            _predict_batch([*group])


def _predict_batch(requests: list[_Waiting]) -> None:
    model = requests[0][0]
    try:
        values = model.predictor.predict(to_matrix(_concatenate([rows for _, rows, _ in requests])))
    except Exception as error:  # noqa: BLE001 - every caller gets the error
        for _, _, future in requests:
            if not future.done():
                future.set_exception(error)
        return
    start = 0
    for _, rows, future in requests:
        if not future.done():
            future.set_result(values[start : start + len(rows)])
        start += len(rows)
