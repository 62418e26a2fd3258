"""Requests to an ASGI application without a socket, and a server of one model in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import ASGIApp

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from application.serving.served_model import ServedModel, ServingState
from domain.model.reference import ModelRef
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.fast_path.fast_path import FastPath
from entrypoints.http.fastapi_app import fastapi_app
from entrypoints.wiring.settings import Accelerators

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Any
    content: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.content)


async def post(
    app: ASGIApp,
    path: str,
    content: bytes | Sequence[bytes | None],
    headers: Mapping[str, str] = JSON,
) -> Answer:
    """Return the response to a POST request; None among the parts of a body is a disconnect."""
    sent: list[Any] = []
    left = [content] if isinstance(content, bytes) else [*content]

    async def receive() -> dict[str, Any]:
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], sent[0]["headers"], body)


@dataclass(frozen=True)
class FixedModel:
    """Serves one model."""

    loaded: LoadedModel

    @property
    def ref(self) -> ModelRef:
        return ModelRef(self.loaded.version.name)

    @property
    def state(self) -> ServingState:
        return ServingState(self.loaded)

    def model(self) -> LoadedModel:
        return self.loaded


def data_plane(model: LoadedModel, max_rows: int = 1000) -> DataPlane:
    """Return the data plane of a server of one model."""
    fixed = FixedModel(model)
    return DataPlane(cast(ServedModel, fixed), PredictOne(fixed.model, max_rows), 10_000_000)


def ordinary(plane: DataPlane) -> FastAPI:
    """Return the ordinary application over a data plane."""

    async def unused(*_: Any) -> Any:
        raise NotImplementedError

    schema = plane.serving.model().manifest.schema
    return fastapi_app(
        plane, cast(Any, unused), unused, schema, max_explained_rows=100, servers=lambda _: []
    )


def application(plane: DataPlane, accelerators: Accelerators) -> ASGIApp:
    """Return the application over a data plane, with the fast path or without."""
    app = ordinary(plane)
    return app if accelerators is Accelerators.NONE else FastPath(plane, app).answer
