"""Requests of all protocols that come at the same moment share one call of the model."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import current_thread, main_thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, PredictOne
from domain.data.table import Table
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.data_plane import WRONG_BYTES_WORTH_A_THREAD, DataPlane
from entrypoints.http.fast_path.predict_endpoint import PredictEndpoint
from entrypoints.http.protocols.protocol_table import ProtocolTable
from tests.support.orchard import planted
from tests.support.samples import SCHEMA
from tests.support.strategies import records
from tests.unit.entrypoints.http.protocols.wire import (
    HEADER,
    Message,
    Rows,
    as_binary,
    as_csv,
    as_json,
    mlflow_forms,
    tensors,
)

INFER = "/v2/models/orchard/infer"
JSON = {"content-type": "application/json"}
SERVING = planted().serving()
SERVING.refresh()


@dataclass(frozen=True)
class Request:
    """What a caller posts where."""

    path: str
    content: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    content: bytes


def plane(predict: PredictOne | None = None) -> DataPlane:
    return DataPlane(SERVING, predict or PredictOne(SERVING.model, 1000), 10_000_000)


def inferring(message: Message) -> Request:
    return Request(INFER, message.content, message.headers)


def requests(rows: Rows) -> list[Request]:
    """Return a question about rows in every form of every protocol."""
    scored = [json.dumps(form).encode() for form in mlflow_forms(SCHEMA, rows)]
    return [
        Request("/predict", json.dumps({"data": rows}).encode(), JSON),
        inferring(as_json(tensors(SCHEMA, rows, binary=False), id="1")),
        inferring(as_binary(tensors(SCHEMA, rows, binary=True))),
        *(Request("/invocations", content, JSON) for content in scored),
        Request("/invocations", as_csv(SCHEMA.names, rows), {"content-type": "text/csv"}),
    ]


def ask(plane: DataPlane, asked: Sequence[Request]) -> list[Answer]:
    """Return the answers to requests that are sent at the same moment."""
    endpoints: dict[str, ASGIApp] = {**ProtocolTable.of(plane).endpoints}
    endpoints["/predict"] = PredictEndpoint(plane)

    async def together() -> list[Answer]:
        return await asyncio.gather(*(_post(endpoints[r.path], r) for r in asked))

    return asyncio.run(together())


async def _post(endpoint: ASGIApp, request: Request) -> Answer:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.content}

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(n.lower().encode(), v.encode()) for n, v in request.headers.items()]
    await endpoint({"type": "http", "path": request.path, "headers": given}, receive, send)
    return Answer(sent[0]["status"], sent[0]["headers"], sent[1]["body"])


@given(st.lists(records(SCHEMA, min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_concurrent_callers_each_get_what_they_would_have_got_alone(
    callers: list[Rows], data: st.DataObject
) -> None:
    asked = [data.draw(st.sampled_from(requests(rows))) for rows in callers]
    shared = plane()
    answers = ask(shared, asked)
    assert shared.batcher.calls == 1
    assert [answer.status for answer in answers] == [200] * len(asked)
    assert answers == [ask(plane(), [request])[0] for request in asked]


def test_who_asks_wrongly_is_told_and_does_not_disturb_the_others() -> None:
    good, wrong = requests([SCHEMA.example]), requests([{**SCHEMA.example, "height": -1.0}])
    answers = ask(plane(), [request for pair in zip(good, wrong, strict=True) for request in pair])
    assert [answer.status for answer in answers[::2]] == [200] * len(good)
    assert [answer.status for answer in answers[1::2]] == [422] + [400] * (len(wrong) - 1)
    assert all(b"height" in answer.content for answer in answers[1::2])
    assert answers[::2] == [ask(plane(), [request])[0] for request in good]


@dataclass(frozen=True)
class Watched(PredictOne):
    """Notes on which threads the thorough way was gone."""

    def table(
        self, table: Table, model: LoadedModel, extras: PredictionOptions = PLAIN
    ) -> Predictions:
        THREADS.append(current_thread())
        return super().table(table, model, extras)


THREADS: list[Any] = []


@pytest.mark.parametrize(("count", "on_the_loop"), [(1, True), (950, False)])
def test_a_wrong_request_that_is_large_is_read_beside_the_event_loop(
    count: int, on_the_loop: bool
) -> None:
    rows = [{**SCHEMA.example, "height": -1.0}] * count
    for request in requests(rows)[1:]:
        THREADS.clear()
        assert (len(request.content) > WRONG_BYTES_WORTH_A_THREAD) is not on_the_loop
        (answer,) = ask(plane(Watched(SERVING.model, 1000)), [request])
        assert answer.status == 400
        assert [thread is main_thread() for thread in THREADS] == [on_the_loop]


@pytest.mark.parametrize("padding", [0, 200_000])
def test_a_body_of_any_length_is_answered_alike(padding: int) -> None:
    first, *others = [
        json.loads(answer.content)
        for request in requests([SCHEMA.example] * 3)[:-1]
        for answer in ask(plane(), [replace(request, content=request.content + b" " * padding)])
        if request.headers.get(HEADER) is None
    ]
    assert [_told(other) for other in others] == [first["predictions"]] * len(others)


def _told(document: Any) -> Any:
    return document["outputs"][0]["data"] if "outputs" in document else document["predictions"]
