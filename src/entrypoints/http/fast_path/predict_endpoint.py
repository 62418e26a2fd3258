"""The hot path: `POST /predict`, as a bare ASGI application.

It stands before FastAPI's router, whose way to a route takes longer than everything here. One
request costs: the body from the server, one pass of a quick reader (`row_reader`), a share in one
call of the model (`coalescing`), and the answer. Whatever is not plainly right goes the
thorough way through `PredictOne`, which has the words for what is wrong. FastAPI's document
describes it all the same: see `openapi`.
"""

from asyncio import to_thread

from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, enrich
from application.scoring.predict_one import answer as answer_rows
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http import problem_details as problems
from entrypoints.http.adaptive_batching import to_matrix
from entrypoints.http.data_plane import DataPlane, thoroughly
from entrypoints.http.fast_path.row_reader import Rows
from entrypoints.http.middleware.request_context import record_error, record_prediction
from entrypoints.http.request_body import read_body, read_question, require_json

# A body beyond this, some 300 rows of JSON, is read and answered on a thread, so that small
# requests need not wait for a large one. For a millisecond it does not pay: a thread may hold the
# interpreter for five.
BYTES_WORTH_A_THREAD = 65_536


class PredictEndpoint:
    """Answers with the model that is served at that moment, whose version it names."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error is answered as a problem document."""
        try:
            require_json(scope)
            content = await read_body(scope, receive, self._plane.max_body_bytes)
            answer = await self._answer(content)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, answer
            record_error(scope, error)
            await problems.present(error)(scope, receive, send)
            return
        record_prediction(scope, len(answer.vector), answer.model)
        await _send(answer, send)

    async def _answer(self, content: bytes) -> Predictions:
        if len(content) > BYTES_WORTH_A_THREAD:
            return await to_thread(self._answer_alone, content)
        model = self._plane.serving.model()
        question = self._read(model, content)
        if question is None:
            return await thoroughly(lambda: self._answer_thoroughly(content), len(content))
        rows, extras = question
        answer = await self._plane.ask(model, rows)
        return answer if extras is PLAIN else enrich(model, to_matrix(rows), answer, extras)

    def _answer_alone(self, content: bytes) -> Predictions:
        model = self._plane.serving.model()
        question = self._read(model, content)
        if question is None:
            return self._answer_thoroughly(content)
        rows, extras = question
        return answer_rows(model, to_matrix(rows), extras)

    def _answer_thoroughly(self, content: bytes) -> Predictions:
        return self._plane.predict_one(*read_question(content))

    def _read(self, model: LoadedModel, content: bytes) -> tuple[Rows, PredictionOptions] | None:
        """Return the question of a body that is plainly right, else None."""
        question = self._plane.reader(model).read(content)
        most = self._plane.predict_one.max_rows
        return question if question and 0 < len(question[0]) <= most else None


async def _send(answer: Predictions, send: Send) -> None:
    # In an eighth of the time that the standard library takes for the numbers of many rows.
    content = to_json(answer.to_mapping())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
