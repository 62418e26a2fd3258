"""The hot path: `POST /predict`, as a bare ASGI application.

It stands before FastAPI's router, whose way to a route takes longer than everything here. One
request costs: the body from the server, one pass of a compiled validator (`row_reader`), a share
in one call of the model (`coalescing`), and the answer. Whatever is not plainly right goes the
thorough way through `PredictOne`, which has the words for what is wrong. FastAPI's document
describes it all the same: see `openapi`.
"""

import json
from asyncio import to_thread

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from application.loading import LoadedModel
from application.predict_one import Predictions, PredictOne
from application.serving import Serving
from entrypoints.http import problems
from entrypoints.http.body import read_body, records_of, require_json
from entrypoints.http.coalescing import Coalescer, ask
from entrypoints.http.exchange import note_answer, note_error
from entrypoints.http.row_reader import RowReader, Rows

# A body beyond this, some sixty rows of JSON, is read and answered on a thread, so that small
# requests need not wait for a large one, be it right or wrong.
BYTES_WORTH_A_THREAD = 16_384


class PredictEndpoint:
    """Answers with the model that is served at that moment, whose version it names."""

    def __init__(self, serving: Serving, predict_one: PredictOne, max_body_bytes: int) -> None:
        self._serving = serving
        self._predict_one = predict_one
        self._max_body_bytes = max_body_bytes
        self.coalescer = Coalescer()
        self._reader: tuple[LoadedModel, RowReader] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error is answered as a problem document."""
        try:
            require_json(scope)
            content = await read_body(scope, receive, self._max_body_bytes)
            answer = await self._answer(content)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, answer
            note_error(scope, error)
            await problems.present(error)(scope, receive, send)
            return
        note_answer(scope, len(answer.vector), answer.model)
        await _send(answer, send)

    async def _answer(self, content: bytes) -> Predictions:
        if len(content) > BYTES_WORTH_A_THREAD:
            return await to_thread(self._answer_alone, content)
        model = self._serving.model()
        rows = self._read(model, content)
        if rows is None:
            return self._predict_one(records_of(content))
        return Predictions(await self.coalescer.predict(model, rows), model.version.label)

    def _answer_alone(self, content: bytes) -> Predictions:
        model = self._serving.model()
        rows = self._read(model, content)
        if rows is None:
            return self._predict_one(records_of(content))
        return Predictions(ask(model, rows), model.version.label)

    def _read(self, model: LoadedModel, content: bytes) -> Rows | None:
        """Return the rows of a body that is plainly right, else None."""
        rows = self._reader_for(model).read(content)
        return rows if rows and len(rows) <= self._predict_one.max_rows else None

    def _reader_for(self, model: LoadedModel) -> RowReader:
        # Looked at once: another thread may put the reader of another model there meanwhile.
        reader = self._reader
        if reader is None or reader[0] is not model:
            reader = self._reader = (model, RowReader(model.manifest.schema))
        return reader[1]


async def _send(answer: Predictions, send: Send) -> None:
    content = json.dumps({"predictions": answer.values, "model": answer.model}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
