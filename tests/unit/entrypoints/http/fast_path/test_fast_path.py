"""The fast path answers plain requests as the ordinary routes do, and leaves them all others."""

import asyncio
import json
import sys
from threading import Thread, current_thread, main_thread
from typing import Any

import pytest
from starlette.testclient import TestClient

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from entrypoints.http.app import Application
from entrypoints.http.data_plane import MAX_RECORDS_ON_LOOP, DataPlane
from entrypoints.http.fast_path.fast_path import FastPath
from entrypoints.wiring.settings import Accelerators
from tests.support.asgi import Answer, application, data_plane, ordinary, post
from tests.support.orchard import ORCHARD, planted
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until
from tests.unit.entrypoints.http.protocols.wire import as_binary, as_json, mlflow_forms, tensors

MODEL = planted().load_model()(ORCHARD)
ROW = SCHEMA.example
WRONG = {**ROW, "height": -1}
INFER = "/v2/models/orchard/infer"


def predict(plane: DataPlane, rows: list[dict[str, Any]], kind: Accelerators) -> Answer:
    content = json.dumps({"data": rows}).encode()
    return asyncio.run(post(application(plane, kind), "/predict", content))


@pytest.mark.parametrize("kind", Accelerators)
@pytest.mark.parametrize(("count", "on_the_loop"), [(1, True), (400, False)])
def test_a_large_invalid_request_is_checked_on_a_thread(
    kind: Accelerators, count: int, on_the_loop: bool
) -> None:
    threads: list[Thread] = []

    def model() -> LoadedModel:
        threads.append(current_thread())
        return MODEL

    plane = data_plane(MODEL)
    plane.predict_one = Watched(model, 1000, threads)
    assert (count > MAX_RECORDS_ON_LOOP) is not on_the_loop
    answer = predict(plane, [WRONG] * count, kind)
    assert (answer.status, len(answer.document["errors"])) == (422, min(count, 100))
    assert threads[-1] is main_thread() if on_the_loop else threads[-1] is not main_thread()


@pytest.mark.parametrize("kind", Accelerators)
def test_a_row_gets_the_same_prediction_in_a_small_and_in_a_large_request(
    kind: Accelerators,
) -> None:
    plane = data_plane(MODEL, max_rows=2000)
    small, large = (predict(plane, [ROW] * count, kind) for count in (1, 2000))
    assert (small.status, large.status) == (200, 200)
    predictions = small.document["predictions"] * 2000
    assert large.document == {"predictions": predictions, "model": "orchard/1"}


def requests() -> list[tuple[str, bytes, dict[str, str]]]:
    """Return requests, good and bad, to every path that predicts."""
    bodies: list[Any] = [
        {"data": [ROW]},
        {"data": [ROW, {**ROW, "age": None}], "interval": 0.9, "extrapolates": True},
        {"data": [WRONG]},
        {"data": [ROW, None]},
        {"data": []},
        {"data": [ROW], "interval": 2},
        {"rows": []},
        {"data": [ROW] * 201},
        {"data": [ROW] * 100},
    ]
    found = [("/predict", json.dumps(body).encode(), "application/json") for body in bodies]
    found += [("/predict", b"{", "application/json"), ("/predict", b"a,b", "text/csv")]
    for rows in ([ROW], [WRONG], [ROW] * 100):
        found += [
            ("/invocations", json.dumps(form).encode(), "application/json")
            for form in mlflow_forms(SCHEMA, rows)
        ]
        content = as_json(tensors(SCHEMA, rows, binary=False)).content
        found += [(INFER, content, ""), (INFER, content, "text/csv")]
    posted = [(path, content, {"content-type": kind}) for path, content, kind in found]
    binary = as_binary(tensors(SCHEMA, [ROW] * 40, binary=True))
    return [*posted, (INFER, binary.content, binary.headers)]


def answers(kind: Accelerators) -> list[tuple[int, str, Any]]:
    """Return status, type and content of what a server answers to each request."""
    wired = planted(max_rows=200, accelerators=kind)
    with TestClient(Application(wired)) as client:
        wait_until(lambda: client.get("/ping").status_code == 200, 20, lambda: "not ready")
        found = [client.post(path, content=c, headers=headers) for path, c, headers in requests()]
        return [(a.status_code, a.headers["content-type"], a.content) for a in found]


@pytest.fixture
def _without_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package be as if it were not there."""
    for name in [name for name in sys.modules if name.startswith("entrypoints.http.fast_path")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "entrypoints.http.fast_path", None)


def test_without_the_package_the_answers_are_the_same(
    request: pytest.FixtureRequest,
) -> None:
    accelerated = answers(Accelerators.ALL)
    request.getfixturevalue("_without_fast_path")
    with pytest.raises(ModuleNotFoundError):
        Application(planted())
    assert answers(Accelerators.NONE) == accelerated
    assert {status for status, _, _ in accelerated} == {200, 400, 413, 415, 422}


def test_plain_requests_do_not_reach_the_routes() -> None:
    plane = data_plane(MODEL)
    reached: list[str] = []
    app = ordinary(plane)

    async def routes(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await app(scope, receive, send)

    fast = FastPath(plane, routes).answer
    for path, content, headers in requests():
        reached.clear()
        answer = asyncio.run(post(fast, path, content, headers))
        assert reached == ([] if answer.status == 200 else [path])


@pytest.mark.parametrize("kind", Accelerators)
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_a_body_in_parts_is_read_whole(kind: Accelerators, parts: int) -> None:
    for row, status in ((ROW, 200), (WRONG, 422)):
        content = json.dumps({"data": [row]}).encode()
        size = -(-len(content) // parts)
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        answer = asyncio.run(post(application(data_plane(MODEL), kind), "/predict", pieces))
        assert answer.status == status


@pytest.mark.parametrize("kind", Accelerators)
def test_a_body_in_parts_without_end_is_cut_off(kind: Accelerators) -> None:
    plane = data_plane(MODEL)
    plane.max_body_bytes = 1000
    pieces = [b'{"data": ["', *[b"x" * 100] * 100]
    answer = asyncio.run(post(application(plane, kind), "/predict", pieces))
    assert answer.status == 413


@pytest.mark.parametrize("kind", Accelerators)
def test_a_caller_who_disconnects_gets_no_prediction(kind: Accelerators) -> None:
    plane = data_plane(MODEL)
    asyncio.run(post(application(plane, kind), "/predict", [b'{"data": [', None]))
    assert plane.batcher.calls.count == 0


class Watched(PredictOne):
    """Keeps the threads on which records were checked."""

    def __init__(self, model: Any, max_rows: int, threads: list[Thread]) -> None:
        super().__init__(model, max_rows)
        object.__setattr__(self, "threads", threads)

    def encode(self, *arguments: Any) -> Any:
        self.__dict__["threads"].append(current_thread())
        return super().encode(*arguments)
