"""The Open Inference Protocol V2 over HTTP: what KServe, Triton and their clients speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope

from application.model.load_model import LoadedModel
from application.serving.served_model import ServedModel
from domain.errors import InvalidData, NotFound, Unavailable
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.protocols.open_inference.infer_request import HEADER, read_request
from entrypoints.http.protocols.open_inference.infer_response import answer
from entrypoints.http.protocols.open_inference.inputs import read_table
from entrypoints.http.protocols.open_inference.metadata import model_metadata, server_metadata
from entrypoints.http.protocols.protocol_app import (
    Asked,
    Endpoint,
    Question,
    protocol,
    refusal,
    score,
)
from entrypoints.http.request_body import read_body

_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"

# Clients of the protocol name any of these, or nothing at all.
_MEDIA_TYPES = ("", "application/json", "application/octet-stream")


# A longer body is read and answered on a thread: some 1,200 rows in bytes, or 400 in JSON, which
# take some two milliseconds.
_BYTES_WORTH_A_THREAD = 98_304


def infer(plane: DataPlane) -> Endpoint:
    """Return what answers inference requests."""
    return Endpoint(form, _Infer(plane))


def v2(plane: DataPlane, infer: Endpoint) -> Starlette:
    """Return the application that answers below `/v2`."""
    endpoints = _Endpoints(plane.serving)
    routes = [
        Route("/v2", endpoints.server),
        Route("/v2/health/live", endpoints.live),
        Route("/v2/health/ready", endpoints.ready),
    ]
    for path in (_MODEL, _VERSION):
        routes += [
            Route(path, endpoints.model),
            Route(f"{path}/ready", endpoints.model_ready),
            Route(f"{path}/infer", infer, methods=["POST"]),
        ]
    return protocol(routes, form)


def form(_: HTTPStatus, text: str) -> Mapping[str, str]:
    """Return an error as this protocol has it."""
    return {"error": text}


@dataclass(frozen=True)
class _Infer:
    plane: DataPlane

    async def __call__(self, scope: Scope, receive: Receive) -> Response:
        plane = self.plane
        # Without parameters the path is the one that means the model here.
        model = _asked_for(plane.serving, scope.get("path_params", {}))
        headers = Headers(scope=scope)
        _require_plain(headers)
        content = await read_body(scope, receive, plane.max_body_bytes)
        read = partial(self._read, model, content, _header(headers))
        question = Question(model, len(content), read)
        return await score(plane, scope, question, _BYTES_WORTH_A_THREAD)

    def _read(self, model: LoadedModel, content: bytes, header: str | None) -> Asked:
        asked = read_request(content, header)
        table = read_table(asked.inputs, model.manifest.schema, self.plane.predict_one.admit)
        return table, lambda predictions: answer(asked, predictions, model.version)


@dataclass(frozen=True)
class _Endpoints:
    serving: ServedModel

    async def server(self, _: Request) -> Response:
        return JSONResponse(server_metadata())

    async def live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        try:
            self.serving.model()
        except Unavailable as error:
            return refusal(_not_ready, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return JSONResponse({"ready": True})

    async def model(self, request: Request) -> Response:
        return JSONResponse(model_metadata(_asked_for(self.serving, request.path_params)))

    async def model_ready(self, request: Request) -> Response:
        model = _asked_for(self.serving, request.path_params)
        return JSONResponse({"name": model.version.name, "ready": True})


def _asked_for(serving: ServedModel, path: Mapping[str, str]) -> LoadedModel:
    """Return the model that the parameters of a path name.

    Raises:
        NotFound: it is not the model, or not the version, that answers here.
        Unavailable: it is not loaded yet.
    """
    name = serving.ref.name
    if path.get("model", name) != name:
        raise NotFound(f"there is no model of this name; the model here is {name!r}")
    model = serving.model()
    number = str(model.version.number)
    if path.get("version", number) != number:
        raise NotFound(f"this version of {name!r} is not here; version {number} is")
    return model


def _not_ready(_: HTTPStatus, text: str) -> Mapping[str, str | bool]:
    return {"ready": False, "error": text}


def _require_plain(headers: Headers) -> None:
    """Check that the body is of a type that can be read, and not compressed."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        allowed = " or ".join(_MEDIA_TYPES[1:])
        raise _unsupported(f"the body is of another content type; allowed: {allowed}")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _unsupported("the body has a content encoding; allowed: none")


def _unsupported(text: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)


def _header(headers: Headers) -> str | None:
    """Return the length of the JSON as the caller announces it, once at most."""
    given = headers.getlist(HEADER)
    if len(given) > 1:
        raise InvalidData(f"{HEADER}: stands there {len(given)} times; allowed: once")
    return given[0] if given else None
