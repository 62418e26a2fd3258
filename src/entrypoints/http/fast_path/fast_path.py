"""The accelerator before the HTTP routes.

A compiled validator (`row_reader`) or a column reader reads the raw body; the data plane predicts.
Other requests go to the ordinary routes, with the received part of the body: the routes answer
every request, also with errors.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from domain.data.schema import Matrix
from domain.data.table import Table
from domain.errors import InvalidData
from domain.scoring.prediction import PredictionOptions
from entrypoints.http.adaptive_batching import Rows, to_matrix
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.fast_path.direct_answers import DirectAnswers
from entrypoints.http.fast_path.row_reader import RowReader
from entrypoints.http.middleware.pipeline import RequestPipeline
from entrypoints.http.middleware.request_context import record_prediction
from entrypoints.http.protocols.mlflow.scoring_routes import invocations_decoder
from entrypoints.http.protocols.open_inference.inference_routes import infer_decoder
from entrypoints.http.protocols.table_scoring import Decode, score
from entrypoints.http.request_body import exceeds, is_json

# A longer body is read and answered on a thread, so that smaller requests do not wait for it: some
# 300 rows of JSON. A thread is slower for less: another may hold the GIL for 5 ms.
MAX_JSON_BYTES_ON_LOOP = 65_536
# Some 400 rows of tensors in JSON, or 1,200 in bytes.
MAX_TENSOR_BYTES_ON_LOOP = 98_304
# Some 200 rows in the forms of MLflow.
MAX_FORM_BYTES_ON_LOOP = 16_384

_Scored: TypeAlias = tuple[Predictions, ASGIApp]


class Scorer(Protocol):
    """Scores the body of a request."""

    async def __call__(self, scope: Scope, model: LoadedModel, content: bytes) -> _Scored | None:
        """Return predictions and response; after None or an error the routes decide."""
        ...


class FastPath:
    """Answers the requests that it accepts, and passes others to the ordinary routes."""

    def __init__(self, data_plane: DataPlane, ordinary: ASGIApp) -> None:
        readers = Readers()
        self._records = RecordScorer(data_plane, readers)
        scorers: dict[str, Scorer] = {
            "/predict": self._records,
            f"/v2/models/{data_plane.serving.ref.name}/infer": TableScorer(
                data_plane, readers, infer_decoder, MAX_TENSOR_BYTES_ON_LOOP
            ),
            "/invocations": TableScorer(
                data_plane, readers, invocations_decoder, MAX_FORM_BYTES_ON_LOOP
            ),
        }
        self._data_plane = data_plane
        self._ordinary = ordinary
        self._scorers = scorers

    def direct_answers(self, pipeline: RequestPipeline) -> DirectAnswers:
        """Return what answers requests of `DirectConnection`s in this middleware."""
        read = self._records.read
        return DirectAnswers(pipeline, self._data_plane, read, MAX_JSON_BYTES_ON_LOOP)

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        scorer = self._scorers.get(scope["path"]) if scope["method"] == "POST" else None
        if scorer is None:
            return self._ordinary(scope, receive, send)
        return self._score(scorer, scope, receive, send)

    async def _score(self, scorer: Scorer, scope: Scope, receive: Receive, send: Send) -> None:
        model, limit = self._data_plane.serving.state.model, self._data_plane.max_body_bytes
        if model is None or exceeds(scope, limit):
            await self._ordinary(scope, receive, send)
            return
        messages = [await receive()]
        content = messages[0].get("body", b"")
        if messages[0].get("more_body", False):
            content = await _receive_rest(receive, messages, limit)
        scored = None
        if len(content) <= limit and messages[-1]["type"] == "http.request":
            try:
                scored = await scorer(scope, model, content)
            except Exception:  # noqa: BLE001 - the ordinary route meets it again, and reports it
                scored = None
        if scored is None:
            await self._ordinary(scope, _replay(messages, receive), send)
            return
        predictions, respond = scored
        record_prediction(scope, len(predictions.vector), predictions.model)
        await respond(scope, receive, send)


class Readers:
    """Caches the reader for the served model."""

    def __init__(self) -> None:
        self._last: tuple[LoadedModel, RowReader] | None = None

    def of(self, model: LoadedModel) -> RowReader:
        """Return the reader of rows for a model."""
        last = self._last  # read once: another thread may replace it
        if last is None or last[0] is not model:
            last = self._last = (model, RowReader(model.manifest.schema))
        return last[1]

    def encode_table(self, table: Table, model: LoadedModel) -> Matrix:
        """Return the rows of a table, shape (rows, features).

        Raises:
            InvalidData: the ordinary route has to decide.
        """
        rows = self.of(model).columns.read_table(table)
        if rows is None:
            raise InvalidData("not accepted by the fast path")
        return rows


@dataclass(frozen=True, slots=True)
class RecordScorer:
    """Scores the records of `POST /predict`."""

    data_plane: DataPlane
    readers: Readers

    async def __call__(self, scope: Scope, model: LoadedModel, content: bytes) -> _Scored | None:
        if not is_json(scope):
            return None
        if len(content) > MAX_JSON_BYTES_ON_LOOP:
            return await self.data_plane.on_thread(self._score_alone, model, content)
        read = self.read(model, content)
        if read is None:
            return None
        return _as_json(await self.data_plane.predict(model, *read))

    def _score_alone(self, model: LoadedModel, content: bytes) -> _Scored | None:
        read = self.read(model, content)
        if read is None:
            return None
        rows, options = read
        return _as_json(self.data_plane.predict_alone(model, to_matrix(rows), options))

    def read(self, model: LoadedModel, content: bytes) -> tuple[Rows, PredictionOptions] | None:
        """Return rows and options, or None where the ordinary route has to decide."""
        read = self.readers.of(model).read(content)
        return read if read and 0 < len(read[0]) <= self.data_plane.predict_one.max_rows else None


@dataclass(frozen=True, slots=True)
class TableScorer:
    """Scores the tables of a protocol."""

    data_plane: DataPlane
    readers: Readers
    open_decoder: Callable[[Scope, Callable[[int], None]], Decode]
    max_bytes_on_loop: int

    async def __call__(self, scope: Scope, model: LoadedModel, content: bytes) -> _Scored | None:
        decode = self.open_decoder(scope, self.data_plane.predict_one.admit)
        return await score(
            self.data_plane,
            model,
            content,
            decode=decode,
            encode=self.readers.encode_table,
            max_bytes_on_loop=self.max_bytes_on_loop,
        )


async def _receive_rest(receive: Receive, messages: list[Message], limit: int) -> bytes:
    """Return the whole body, or somewhat more than `limit` bytes; add its messages."""
    size = len(messages[0].get("body", b""))
    while messages[-1].get("more_body", False) and size <= limit:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    return b"".join(message.get("body", b"") for message in messages)


def _replay(messages: Sequence[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with messages that were received before."""
    left = [*reversed(messages)]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _as_json(predictions: Predictions) -> _Scored:
    # Several times as fast as `json` for the numbers of many rows.
    return predictions, partial(_send_json, to_json(predictions.to_mapping()))


async def _send_json(content: bytes, _: Scope, __: Receive, send: Send) -> None:
    headers = [
        (b"content-length", b"%d" % len(content)),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
