"""One call of the model for all requests that are there at the same moment.

Requests that arrive while the event loop is busy are answered by one call of the model; one that
arrives alone is answered at once, for nothing is waited for. A row's prediction does not depend
on the rows beside it (see `Predictor`), so every caller gets what it would have got alone.
"""

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from entrypoints.http.fast_path.row_reader import Rows

_Waiting = tuple[LoadedModel, Rows, "Future[Vector]"]


def ask(model: LoadedModel, rows: Rows) -> Vector:
    """Return the predictions for some rows, at once; shape (rows,)."""
    return model.predictor.predict(to_matrix(rows))


def to_matrix(rows: Rows) -> Matrix:
    """Return rows as a matrix, shape (rows, features)."""
    return np.asarray(rows, dtype=np.float64)


def _together(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    if any(isinstance(rows, np.ndarray) for rows in parts):
        return np.concatenate([to_matrix(rows) for rows in parts])
    return [row for rows in parts for row in rows]


class AdaptiveBatcher:
    """Gathers the rows of concurrent requests; lives on one event loop.

    `calls` counts how often the rows that had gathered were answered.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._peak = 0
        self.calls = 0

    def predict(self, model: LoadedModel, rows: Rows) -> "Future[Vector]":
        """Return the predictions to come for these rows, by this model."""
        loop: AbstractEventLoop = get_running_loop()
        answer: Future[Vector] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        self._waiting.append((model, rows, answer))
        return answer

    def take_peak(self) -> int:
        """Return how many requests waited together at most since this was last asked."""
        peak, self._peak = self._peak, 0
        return peak

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.calls += 1
        self._peak = max(self._peak, len(waiting))
        for _, group in groupby(waiting, key=lambda request: id(request[0])):
            _answer([*group])


def _answer(requests: list[_Waiting]) -> None:
    model = requests[0][0]
    try:
        values = ask(model, _together([rows for _, rows, _ in requests]))
    except Exception as error:  # noqa: BLE001 - whatever it is, each caller must hear of it
        for _, _, answer in requests:
            if not answer.done():
                answer.set_exception(error)
        return
    start = 0
    for _, part, answer in requests:
        if not answer.done():
            answer.set_result(values[start : start + len(part)])
        start += len(part)
