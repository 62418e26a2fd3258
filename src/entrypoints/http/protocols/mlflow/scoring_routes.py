"""MLflow's scoring contract: what `mlflow models serve` answers, for programs that ask it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from application.serving.served_model import ServedModel
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.protocols.mlflow.scoring_payload import read_csv_rows, read_json_rows
from entrypoints.http.protocols.protocol_app import Asked, Endpoint, Question, protocol, score
from entrypoints.http.request_body import header, read_body

PATHS = ("/ping", "/version", "/invocations")
MODEL_HEADER = "Modelport-Model"

_READERS = {"application/json": read_json_rows, "text/csv": read_csv_rows}
_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}


# A longer body is read and answered on a thread: some 200 rows, which take a millisecond or two.
_BYTES_WORTH_A_THREAD = 16_384


def invocations(plane: DataPlane) -> Endpoint:
    """Return what answers at `/invocations`."""
    return Endpoint(form, _Invocations(plane))


def mlflow(plane: DataPlane, invocations: Endpoint) -> Starlette:
    """Return the application that answers at `PATHS`."""
    endpoints = _Endpoints(plane.serving)
    routes = [
        Route("/ping", endpoints.ping),
        Route("/version", endpoints.server_version),
        Route("/invocations", invocations, methods=["POST"]),
    ]
    return protocol(routes, form)


def form(status: HTTPStatus, text: str) -> Mapping[str, str]:
    """Return an error as this protocol has it."""
    return {"error_code": _CODES.get(status, "BAD_REQUEST"), "message": text}


@dataclass(frozen=True)
class _Invocations:
    plane: DataPlane

    async def __call__(self, scope: Scope, receive: Receive) -> Response:
        plane = self.plane
        model = plane.serving.model()
        media_type = _media_type(header(scope, b"content-type"))
        content = await read_body(scope, receive, plane.max_body_bytes)
        read = partial(self._read, model, media_type, content)
        question = Question(model, len(content), read)
        return await score(plane, scope, question, _BYTES_WORTH_A_THREAD)

    def _read(self, model: LoadedModel, media_type: str, content: bytes) -> Asked:
        reader = _READERS[media_type]
        return reader(content, model.manifest.schema, self.plane.predict_one.admit), _answer


@dataclass(frozen=True)
class _Endpoints:
    serving: ServedModel

    async def ping(self, _: Request) -> Response:
        self.serving.model()
        return PlainTextResponse("\n")

    async def server_version(self, _: Request) -> Response:
        return PlainTextResponse(version("modelport"))


def _answer(predictions: Predictions) -> Response:
    content = to_json({"predictions": predictions.values})
    headers = {MODEL_HEADER: predictions.model}
    return Response(content, headers=headers, media_type="application/json")


def _media_type(content_type: bytes) -> str:
    """Return the type of the body, which may name UTF-8 as its charset and nothing else."""
    media_type, *parameters = content_type.decode("latin-1").lower().split(";")
    meant = {parameter.strip().replace('"', "") for parameter in parameters} - {""}
    if media_type.strip() not in _READERS or not meant <= {"charset=utf-8"}:
        allowed = " or ".join(_READERS)
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is of another content type; allowed: {allowed}, with charset=utf-8 or none",
        )
    return media_type.strip()
