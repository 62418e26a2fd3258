"""Where a request is worked on: small ones on the event loop, large ones beside it."""

import asyncio
import json
from threading import current_thread, main_thread
from typing import Any

import pytest

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from entrypoints.http.data_plane import WRONG_BYTES_WORTH_A_THREAD, DataPlane
from entrypoints.http.fast_path.predict_endpoint import PredictEndpoint
from tests.support.orchard import planted
from tests.support.samples import SCHEMA

ROW = SCHEMA.example
WRONG = {**ROW, "height": -1}


def answer(endpoint: PredictEndpoint, rows: list[dict[str, Any]]) -> tuple[int, Any]:
    """Return the status and the document that a request with these rows is answered with."""
    content = json.dumps({"data": rows}).encode()
    scope = {"type": "http", "headers": [(b"content-type", b"application/json")], "state": {}}
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(endpoint(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(("count", "on_the_loop"), [(1, True), (400, False)])
def test_a_wrong_request_that_is_large_is_read_beside_the_event_loop(
    count: int, on_the_loop: bool
) -> None:
    serving = planted().serving()
    serving.refresh()
    asked_on = []

    def model() -> LoadedModel:
        asked_on.append(current_thread())
        loaded: LoadedModel = serving.model()
        return loaded

    endpoint = PredictEndpoint(DataPlane(serving, PredictOne(model, 1000), 10_000_000))
    assert (len(json.dumps([WRONG] * count)) > WRONG_BYTES_WORTH_A_THREAD) is not on_the_loop
    status, document = answer(endpoint, [WRONG] * count)
    assert (status, len(document["errors"])) == (422, min(count, 100))
    assert [thread is main_thread() for thread in asked_on] == [on_the_loop]


def test_a_row_is_answered_alike_in_a_small_and_in_a_large_request() -> None:
    serving = planted().serving()
    serving.refresh()
    endpoint = PredictEndpoint(DataPlane(serving, PredictOne(serving.model, 2000), 10_000_000))
    status, small = answer(endpoint, [ROW])
    assert status == 200
    status, large = answer(endpoint, [ROW] * 2000)
    assert status == 200
    assert large == {"predictions": small["predictions"] * 2000, "model": small["model"]}
