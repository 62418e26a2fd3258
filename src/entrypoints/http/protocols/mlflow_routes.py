"""MLflow's scoring contract: what `mlflow models serve` answers, for programs that ask it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from json import dumps

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from application.loading import LoadedModel
from application.predict_one import PredictOne
from application.serving import Serving
from entrypoints.http.body import read_body
from entrypoints.http.exchange import note_answer
from entrypoints.http.protocols.application import compute, protocol
from entrypoints.http.protocols.mlflow_payload import read_csv_rows, read_json_rows

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


def mlflow(serving: Serving, predict: PredictOne, max_body_bytes: int) -> Starlette:
    """Return the application that answers at `PATHS`."""
    endpoints = _Endpoints(serving, predict, max_body_bytes)
    routes = [
        Route("/ping", endpoints.ping),
        Route("/version", endpoints.server_version),
        Route("/invocations", endpoints.invocations, methods=["POST"]),
    ]
    return protocol(routes, form)


def form(status: HTTPStatus, text: str) -> Mapping[str, str]:
    """Return an error as this protocol has it."""
    return {"error_code": _CODES.get(status, "BAD_REQUEST"), "message": text}


@dataclass(frozen=True)
class _Endpoints:
    serving: Serving
    predict: PredictOne
    max_body_bytes: int

    async def ping(self, _: Request) -> Response:
        self.serving.model()
        return PlainTextResponse("\n")

    async def server_version(self, _: Request) -> Response:
        return PlainTextResponse(version("modelport"))

    async def invocations(self, request: Request) -> Response:
        model = self.serving.model()
        media_type = _media_type(request)
        content = await read_body(request.scope, request.receive, self.max_body_bytes)
        work = partial(self._score, request.scope, model, media_type, content)
        return await compute(work, len(content))

    def _score(self, scope: Scope, model: LoadedModel, media_type: str, content: bytes) -> Response:
        table = _READERS[media_type](content, model.manifest.schema, self.predict.admit)
        answer = self.predict.table(table, model)
        note_answer(scope, len(answer.vector), answer.model)
        headers = {MODEL_HEADER: answer.model}
        return Response(
            dumps({"predictions": answer.values}), headers=headers, media_type="application/json"
        )


def _media_type(request: Request) -> str:
    """Return the type of the body, which may name UTF-8 as its charset and nothing else."""
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    meant = {parameter.strip().replace('"', "") for parameter in parameters} - {""}
    if media_type.strip() not in _READERS or not meant <= {"charset=utf-8"}:
        allowed = " or ".join(_READERS)
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is of another content type; allowed: {allowed}, with charset=utf-8 or none",
        )
    return media_type.strip()
