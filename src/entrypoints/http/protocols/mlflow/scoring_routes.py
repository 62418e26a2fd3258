"""MLflow's scoring protocol: the endpoints of `mlflow models serve`."""

import csv
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from io import StringIO
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from domain.data.schema import Schema
from domain.data.table import Table
from entrypoints.http.api_route import ApiRoute
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.openapi_responses import errors_of, reference, with_key
from entrypoints.http.protocols.mlflow.scoring_payload import (
    FORMS,
    read_csv_rows,
    read_json_rows,
)
from entrypoints.http.protocols.table_scoring import Decode, Present, respond
from entrypoints.http.request_body import header
from entrypoints.http.route_table import Protocol

MODEL_HEADER = "Modelport-Model"

_READERS = {"application/json": read_json_rows, "text/csv": read_csv_rows}
_NOT_READY = {503: "No model is ready; gives the reason."}
_ERRORS = {
    400: "The body is not what the protocol or the schema needs; names the field.",
    413: "Too many rows or bytes.",
    415: "The body is of another content type or content encoding.",
    **_NOT_READY,
}


def mlflow_router(data_plane: DataPlane, schema: Schema | None) -> APIRouter:
    """Return the routes of the protocol; the examples are rows of the schema."""
    router = APIRouter(route_class=ApiRoute, tags=["MLflow scoring"])

    @router.post(
        "/invocations",
        summary="Predict",
        response_model=dict[str, list[float]],
        response_description="Done.",
        **with_key(Protocol.MLFLOW, _ERRORS, body=True, requestBody=_request_body(schema)),
    )
    async def invocations(request: Request) -> Response:
        """Return one prediction per row, in any of MLflow's forms."""
        model = data_plane.serving.model()
        decode = invocations_decoder(request.scope, data_plane.predict_one.admit)
        return await respond(data_plane, request, model, decode)

    @router.get(
        "/ping",
        summary="Whether it answers",
        response_class=PlainTextResponse,
        response_description="Done.",
        responses=errors_of(Protocol.MLFLOW, _NOT_READY),
    )
    async def ping() -> Response:
        """Answer 200 once a model has passed every check."""
        data_plane.serving.model()
        return PlainTextResponse("\n")

    @router.get(
        "/version",
        summary="The version",
        response_class=PlainTextResponse,
        response_description="Done.",
    )
    async def server_version() -> Response:
        """Return the version of modelport."""
        return PlainTextResponse(version("modelport"))

    return router


def invocations_decoder(scope: Scope, admit: Callable[[int], None]) -> Decode:
    """Return what decodes the body of a request with these headers; `admit` checks its rows.

    Raises:
        HTTPException: the body is announced as another content type.
    """
    return partial(_decode, _media_type(header(scope, b"content-type")), admit)


def _decode(
    media_type: str, admit: Callable[[int], None], model: LoadedModel, content: bytes
) -> tuple[Table, Present]:
    return _READERS[media_type](content, model.manifest.schema, admit), _present


def _present(predictions: Predictions) -> Response:
    content = to_json({"predictions": predictions.values})
    headers = {MODEL_HEADER: predictions.model}
    return Response(content, headers=headers, media_type="application/json")


def _media_type(content_type: bytes) -> str:
    """Return the type of the body, which may name UTF-8 as its charset and nothing else."""
    media_type, *parameters = content_type.decode("latin-1").lower().split(";")
    given = {parameter.strip().replace('"', "") for parameter in parameters} - {""}
    if media_type.strip() not in _READERS or not given <= {"charset=utf-8"}:
        allowed = " or ".join(_READERS)
        raise HTTPException(
            415,
            f"the body is of another content type; allowed: {allowed}, with charset=utf-8 or none",
        )
    return media_type.strip()


def _request_body(schema: Schema | None) -> dict[str, Any]:
    as_json: dict[str, Any] = {"schema": {"oneOf": [*map(reference, FORMS.values())]}}
    as_csv: dict[str, Any] = {"schema": {"type": "string"}}
    if schema is not None:
        as_json["example"] = {"dataframe_records": [schema.example]}
        text = StringIO()
        rows: list[list[Any]] = [[*schema.example.keys()], [*schema.example.values()]]
        csv.writer(text, lineterminator="\n").writerows(rows)
        as_csv["example"] = text.getvalue()
    return {"required": True, "content": {"application/json": as_json, "text/csv": as_csv}}
