"""The Open Inference Protocol V2 over HTTP, which KServe, Triton and their clients use."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from application.model.load_model import LoadedModel
from application.serving.served_model import ServedModel
from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.data.table import Table
from domain.errors import InvalidData, NotFound, Unavailable
from entrypoints.http.api_route import ApiRoute
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.error_responses import retry_headers
from entrypoints.http.openapi_responses import errors_of, reference, with_key
from entrypoints.http.protocols.open_inference.infer_request import HEADER, V2Request, read_request
from entrypoints.http.protocols.open_inference.inference_responses import (
    V2IndexEntry,
    V2Model,
    V2ModelConfig,
    V2ModelReady,
    V2Response,
    V2Server,
    infer_response,
    model_config,
    model_metadata,
    repository_index,
    server_metadata,
)
from entrypoints.http.protocols.open_inference.inputs import datatypes, read_table
from entrypoints.http.protocols.table_scoring import Decode, Present, respond
from entrypoints.http.route_table import Protocol

# Clients of Triton have calls that only Triton answers.
UNSUPPORTED = (
    "this call is not supported; supported: metadata of server and model, health and readiness, "
    "config, infer, and the repository index; statistics are in /metrics"
)

_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"

# The path of Triton's statistics of all models has this in the place of a model.
_STATISTICS = "stats"

# Clients of the protocol name any of these, or nothing at all.
_MEDIA_TYPES = ("", "application/json", "application/octet-stream")

_NOT_READY = {503: "No model is ready; gives the reason."}
_NOT_HERE = {404: "Another model, or another version, answers here.", **_NOT_READY}
_ERRORS = {
    400: "The body is not what the protocol or the schema needs; names the field.",
    413: "Too many rows or bytes.",
    415: "The body is of another content type or content encoding.",
    **_NOT_HERE,
}


def open_inference_router(data_plane: DataPlane, schema: Schema | None) -> APIRouter:
    """Return the routes below `/v2`; the example is a row of the schema."""
    router = APIRouter(route_class=ApiRoute, tags=["Open Inference Protocol V2"])
    _add_server_routes(router, data_plane.serving)
    _add_repository_routes(router, data_plane.serving)
    _add_model_routes(router, data_plane.serving)

    async def infer(request: Request) -> Response:
        model = _served(data_plane.serving, **request.path_params)
        decode = infer_decoder(request.scope, data_plane.predict_one.admit)
        return await respond(data_plane, request, model, decode)

    for path in (_MODEL, _VERSION):
        operation = _infer_operation(path, schema, data_plane.serving)
        router.post(
            f"{path}/infer",
            summary="Predict",
            description="Return one prediction per row. Tensors are in the JSON or, in binary "
            f"form, after it;\nthen `{HEADER}` is the length of the JSON in bytes.",
            response_model=V2Response,
            response_description="Done.",
            **with_key(
                Protocol.V2,
                _ERRORS,
                body=True,
                **operation,
            ),
        )(infer)
    return router


def infer_decoder(scope: Scope, admit: Callable[[int], None]) -> Decode:
    """Return what decodes the body of a request with these headers; `admit` checks its rows.

    Raises:
        HTTPException: the body is of another content type.
        InvalidData: the length of the JSON is announced twice.
    """
    headers = Headers(scope=scope)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        allowed = " or ".join(_MEDIA_TYPES[1:])
        raise HTTPException(415, f"the body is of another content type; allowed: {allowed}")
    lengths = headers.getlist(HEADER)
    if len(lengths) > 1:
        raise InvalidData(f"{HEADER}: is given {len(lengths)} times; allowed: once")
    return partial(_decode, lengths[0] if lengths else None, admit)


def _decode(
    header: str | None, admit: Callable[[int], None], model: LoadedModel, content: bytes
) -> tuple[Table, Present]:
    request = read_request(content, header)
    table = read_table(request.inputs, model.manifest.schema, admit)
    return table, lambda predictions: infer_response(request, predictions, model.version)


def _add_server_routes(router: APIRouter, serving: ServedModel) -> None:
    @router.get(
        "/v2",
        summary="The server",
        response_description="Done.",
        **with_key(Protocol.V2, {}),
    )
    async def server() -> V2Server:
        """Return name, version and extensions."""
        return server_metadata()

    @router.get(
        "/v2/health/live",
        summary="Whether the server is alive",
        response_description="Done.",
    )
    async def v2_live() -> dict[str, bool]:
        """Answer 200 while the process responds."""
        return {"live": True}

    @router.get(
        "/v2/health/ready",
        summary="Whether predictions are answered",
        response_model=dict[str, bool],
        response_description="Done.",
        responses=errors_of(Protocol.V2, _NOT_READY),
    )
    async def v2_ready() -> Response:
        """Answer 200 once a model has passed every check, 503 with the reason until then."""
        try:
            serving.model()
        except Unavailable as error:
            body = {"ready": False, "error": str(error)}
            return JSONResponse(body, 503, retry_headers(HTTPStatus.SERVICE_UNAVAILABLE))
        return JSONResponse({"ready": True})


def _add_repository_routes(router: APIRouter, serving: ServedModel) -> None:
    @router.post(
        "/v2/repository/index",
        summary="The models that are served here",
        response_description="Done.",
        response_model_exclude_none=True,
        **with_key(Protocol.V2, {}),
    )
    async def v2_index() -> list[V2IndexEntry]:
        """Return the model with its state; models are loaded through the registry only."""
        return repository_index(serving)


def _add_model_routes(router: APIRouter, serving: ServedModel) -> None:
    async def v2_model(request: Request) -> V2Model:
        return model_metadata(_served(serving, **request.path_params))

    async def v2_model_config(request: Request) -> V2ModelConfig:
        return model_config(_served(serving, **request.path_params))

    async def v2_model_ready(request: Request) -> V2ModelReady:
        model = _served(serving, **request.path_params)
        return V2ModelReady(name=model.version.name, ready=True)

    for path in (_MODEL, _VERSION):
        router.get(
            path,
            summary="The model",
            description="Return name, version and tensors.",
            response_description="Done.",
            **with_key(Protocol.V2, _NOT_HERE, parameters=_path_parameters(path, serving)),
        )(v2_model)
        router.get(
            f"{path}/config",
            summary="The configuration of the model",
            description="Return the tensors in the form of Triton's model configuration.",
            response_description="Done.",
            **with_key(Protocol.V2, _NOT_HERE, parameters=_path_parameters(path, serving)),
        )(v2_model_config)
        router.get(
            f"{path}/ready",
            summary="Whether the model answers",
            description="Answer 200 if this model, in this version, answers here.",
            response_description="Done.",
            responses=errors_of(Protocol.V2, _NOT_HERE),
            openapi_extra={"parameters": _path_parameters(path, serving)},
        )(v2_model_ready)


def _served(serving: ServedModel, model: str, version: str | None = None) -> LoadedModel:
    """Return the served model, which the parameters of a path must name.

    Raises:
        NotFound: it has another name, or another version number.
        Unavailable: it is not loaded yet.
    """
    name = serving.ref.name
    if model == _STATISTICS != name:
        raise NotFound(UNSUPPORTED)
    if model != name:
        raise NotFound(f"there is no model of this name; the model here is {name!r}")
    served = serving.model()
    number = str(served.version.number)
    if version not in (None, number):
        raise NotFound(f"this version of {name!r} is not here; version {number} is")
    return served


def _path_parameters(path: str, serving: ServedModel) -> list[dict[str, Any]]:
    """Return the path parameters with the values that name the served model.

    FastAPI would add an error response that never occurs.
    """
    model = serving.state.model
    values = {"model": serving.ref.name, "version": model and str(model.version.number)}
    return [
        {
            "in": "path",
            "name": name,
            "required": True,
            "schema": {"type": "string", **({"enum": [value]} if value else {})},
        }
        for name, value in values.items()
        if f"{{{name}}}" in path
    ]


def _infer_operation(path: str, schema: Schema | None, serving: ServedModel) -> dict[str, Any]:
    """Return the parts of the operation that FastAPI cannot derive: those of a body in JSON."""
    body: dict[str, Any] = {"schema": reference(V2Request)}
    if schema is not None:
        body["example"] = {"inputs": [_example(feature) for feature in schema.features]}
    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "parameters": _path_parameters(path, serving),
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": {"content": binary}},
    }


def _example(feature: Feature) -> dict[str, Any]:
    value = feature.sample
    if feature.kind is Kind.INTEGER and value is not None:
        value = int(value)
    return {"name": feature.name, "datatype": datatypes(feature)[0], "shape": [1], "data": [value]}
