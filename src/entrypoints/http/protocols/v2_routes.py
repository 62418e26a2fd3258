"""The Open Inference Protocol V2 over HTTP: what KServe, Triton and their clients speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from application.loading import LoadedModel
from application.predict_one import PredictOne
from application.serving import Serving
from domain.errors import InvalidData, NotFound, Unavailable
from entrypoints.http.body import read_body
from entrypoints.http.exchange import note_answer
from entrypoints.http.protocols.application import compute, protocol, refusal
from entrypoints.http.protocols.v2_inputs import read_table
from entrypoints.http.protocols.v2_metadata import model_metadata, server_metadata
from entrypoints.http.protocols.v2_request import HEADER, read_request
from entrypoints.http.protocols.v2_response import answer

_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"

# Clients of the protocol name any of these, or nothing at all.
_MEDIA_TYPES = ("", "application/json", "application/octet-stream")


def v2(serving: Serving, predict: PredictOne, max_body_bytes: int) -> Starlette:
    """Return the application that answers below `/v2`."""
    endpoints = _Endpoints(serving, predict, max_body_bytes)
    routes = [
        Route("/v2", endpoints.server),
        Route("/v2/health/live", endpoints.live),
        Route("/v2/health/ready", endpoints.ready),
    ]
    for path in (_MODEL, _VERSION):
        routes += [
            Route(path, endpoints.model),
            Route(f"{path}/ready", endpoints.model_ready),
            Route(f"{path}/infer", endpoints.infer, methods=["POST"]),
        ]
    return protocol(routes, form)


def form(_: HTTPStatus, text: str) -> Mapping[str, str]:
    """Return an error as this protocol has it."""
    return {"error": text}


@dataclass(frozen=True)
class _Endpoints:
    serving: Serving
    predict: PredictOne
    max_body_bytes: int

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
        return JSONResponse(model_metadata(self._asked_for(request)))

    async def model_ready(self, request: Request) -> Response:
        model = self._asked_for(request)
        return JSONResponse({"name": model.version.name, "ready": True})

    async def infer(self, request: Request) -> Response:
        model = self._asked_for(request)
        _require_plain(request)
        content = await read_body(request.scope, request.receive, self.max_body_bytes)
        work = partial(self._infer, request.scope, model, content, _header(request))
        return await compute(work, len(content))

    def _infer(
        self, scope: Scope, model: LoadedModel, content: bytes, header: str | None
    ) -> Response:
        asked = read_request(content, header)
        table = read_table(asked.inputs, model.manifest.schema, self.predict.admit)
        predictions = self.predict.table(table, model)
        note_answer(scope, len(predictions.vector), predictions.model)
        return answer(asked, predictions, model.version)

    def _asked_for(self, request: Request) -> LoadedModel:
        """Return the model that the path names.

        Raises:
            NotFound: it is not the model, or not the version, that answers here.
            Unavailable: it is not loaded yet.
        """
        name = self.serving.ref.name
        if request.path_params["model"] != name:
            raise NotFound(f"there is no model of this name; the model here is {name!r}")
        model = self.serving.model()
        number = str(model.version.number)
        if request.path_params.get("version", number) != number:
            raise NotFound(f"this version of {name!r} is not here; version {number} is")
        return model


def _not_ready(_: HTTPStatus, text: str) -> Mapping[str, str | bool]:
    return {"ready": False, "error": text}


def _require_plain(request: Request) -> None:
    """Check that the body is of a type that can be read, and not compressed."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        allowed = " or ".join(_MEDIA_TYPES[1:])
        raise _unsupported(f"the body is of another content type; allowed: {allowed}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _unsupported("the body has a content encoding; allowed: none")


def _unsupported(text: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)


def _header(request: Request) -> str | None:
    """Return the length of the JSON as the caller announces it, once at most."""
    given = request.headers.getlist(HEADER)
    if len(given) > 1:
        raise InvalidData(f"{HEADER}: stands there {len(given)} times; allowed: once")
    return given[0] if given else None
