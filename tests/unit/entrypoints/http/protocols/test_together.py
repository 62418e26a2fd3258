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

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from domain.data.schema import Matrix
from domain.data.table import Table
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.request_body import MAX_BYTES_ON_LOOP
from entrypoints.wiring.settings import Accelerators
from tests.support.asgi import JSON, Answer, application, data_plane, post
from tests.support.orchard import ORCHARD, planted
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
MODEL = planted().load_model()(ORCHARD)
PLANE = data_plane(MODEL)
APPS = {kind: application(PLANE, kind) for kind in Accelerators}


@dataclass(frozen=True)
class Request:
    """What a caller posts where."""

    path: str
    content: bytes
    headers: dict[str, str]


@pytest.fixture(params=Accelerators)
def accelerators(request: pytest.FixtureRequest) -> Accelerators:
    return Accelerators(request.param)


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


def ask(
    accelerators: Accelerators, asked: Sequence[Request], plane: DataPlane | None = None
) -> list[Answer]:
    """Return the responses to requests that are sent at the same moment."""
    app = APPS[accelerators] if plane is None else application(plane, accelerators)

    async def together() -> list[Answer]:
        return await asyncio.gather(*(post(app, r.path, r.content, r.headers) for r in asked))

    return asyncio.run(together())


@pytest.mark.parametrize("kind", Accelerators)
@given(st.lists(records(SCHEMA, min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_concurrent_callers_each_get_what_they_get_alone(
    kind: Accelerators, callers: list[Rows], data: st.DataObject
) -> None:
    asked = [data.draw(st.sampled_from(requests(rows))) for rows in callers]
    before = PLANE.batcher.calls.count
    answers = ask(kind, asked)
    assert PLANE.batcher.calls.count == before + 1
    assert [answer.status for answer in answers] == [200] * len(asked)
    assert answers == [ask(kind, [request])[0] for request in asked]


def test_an_invalid_request_is_rejected_and_does_not_disturb_the_others(
    accelerators: Accelerators,
) -> None:
    good, wrong = requests([SCHEMA.example]), requests([{**SCHEMA.example, "height": -1.0}])
    asked = [request for pair in zip(good, wrong, strict=True) for request in pair]
    answers = ask(accelerators, asked)
    assert [answer.status for answer in answers[::2]] == [200] * len(good)
    assert [answer.status for answer in answers[1::2]] == [422] + [400] * (len(wrong) - 1)
    assert all(b"height" in answer.content for answer in answers[1::2])
    assert answers[::2] == [ask(accelerators, [request])[0] for request in good]


@dataclass(frozen=True)
class Watched(PredictOne):
    """Keeps the threads on which tables were checked."""

    def encode_table(
        self, table: Table, model: LoadedModel, options: PredictionOptions = PLAIN
    ) -> Matrix:
        THREADS.append(current_thread())
        return super().encode_table(table, model, options)


THREADS: list[Any] = []


@pytest.mark.parametrize(("count", "on_the_loop"), [(1, True), (950, False)])
def test_a_large_invalid_request_is_checked_on_a_thread(
    accelerators: Accelerators, count: int, on_the_loop: bool
) -> None:
    rows = [{**SCHEMA.example, "height": -1.0}] * count
    for request in requests(rows)[1:]:
        THREADS.clear()
        assert (len(request.content) > MAX_BYTES_ON_LOOP) is not on_the_loop
        plane = data_plane(MODEL)
        plane.predict_one = Watched(lambda: MODEL, 1000)
        (answer,) = ask(accelerators, [request], plane)
        assert answer.status == 400
        assert [thread is main_thread() for thread in THREADS] == [on_the_loop]


@pytest.mark.parametrize("padding", [0, 200_000])
def test_a_body_of_any_length_gets_the_same_predictions(
    accelerators: Accelerators, padding: int
) -> None:
    first, *others = [
        answer.document
        for request in requests([SCHEMA.example] * 3)[:-1]
        for answer in ask(
            accelerators, [replace(request, content=request.content + b" " * padding)]
        )
        if request.headers.get(HEADER) is None
    ]
    assert [_predictions(other) for other in others] == [first["predictions"]] * len(others)


def _predictions(document: Any) -> Any:
    return document["outputs"][0]["data"] if "outputs" in document else document["predictions"]
