"""`POST /predict` and `POST /explain`."""

from asyncio import to_thread
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from application.scoring.explain_rows import ExplainRows
from domain.data.schema import Schema
from entrypoints.http.api.row_models import RowModels, RowsRequest, feature_table
from entrypoints.http.api_route import ApiRoute
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.request_context import record_prediction
from entrypoints.http.openapi_responses import reference, with_key
from entrypoints.http.request_body import MAX_BYTES_ON_LOOP, read_body, require_json, validated
from entrypoints.http.route_table import Protocol
from entrypoints.strict_json import read_json

_ALLOWED = 'allowed: {"data": [{…}, …]}, optionally with "interval" and "extrapolates"'

_ERRORS = {
    400: "The body is not JSON.",
    413: "Too many rows or bytes.",
    415: "The body is not of type application/json.",
    422: "A row breaks the schema (every field that does is named), or the level is not allowed.",
    503: "No model is ready to answer.",
}
_EXPLAIN_ERRORS = {
    **_ERRORS,
    501: "The extra `explain` is not installed, or the model has no explanations.",
}


def prediction_router(
    data_plane: DataPlane,
    explain: Callable[[], ExplainRows],
    models: RowModels,
    schema: Schema | None,
) -> APIRouter:
    """Return the routes for the served schema; the libraries that explain load at first use."""
    router = APIRouter(route_class=ApiRoute, tags=["prediction"])
    described = {} if schema is None else {"description": feature_table(schema)}

    @router.post(
        "/predict",
        summary="Predict",
        operation_id="predict",
        response_model=models.predict_response,
        response_description="Predictions.",
        **_operation(models.predict_request, _ERRORS, schema, **described),
    )
    async def predict(request: Request) -> Response:
        """Return one prediction per row, all by the same model version."""
        body = await _read_rows(data_plane, request)
        predictions = await data_plane.predict_records(body.data, body.options)
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return _json(predictions.to_mapping())

    @router.post(
        "/explain",
        summary="Explain",
        operation_id="explain",
        response_model=models.explain_response,
        response_description="Explanations.",
        **_operation(models.explain_request, _EXPLAIN_ERRORS, schema),
    )
    async def explanations(request: Request) -> Response:
        """Return a base value and one contribution per feature, which add up to the prediction.

        It needs the extra `explain`.
        """
        body = await _read_rows(data_plane, request)
        explained = await to_thread(lambda: explain()(body.data, body.options))
        predictions = explained.predictions
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return _json(explained.to_mapping())

    return router


def _json(document: dict[str, Any]) -> Response:
    return Response(to_json(document), media_type="application/json")


async def _read_rows(data_plane: DataPlane, request: Request) -> RowsRequest:
    """Return rows and options in the body of a request.

    Raises:
        UnreadableData, InvalidData, TooLarge, Unavailable: as the status codes of the route.
    """
    require_json(request.scope)
    content = await read_body(request.scope, request.receive, data_plane.max_body_bytes)
    data_plane.serving.model()  # without a model the body need not be parsed
    if len(content) > MAX_BYTES_ON_LOOP:
        value = await to_thread(read_json, content, "the body")
    else:
        value = read_json(content, "the body")
    return validated(RowsRequest, value, _ALLOWED)


def _operation(
    body: type[RowsRequest], errors: dict[int, str], schema: Schema | None, **more: str
) -> dict[str, Any]:
    """Return the arguments of a route that reads its body itself."""
    content: dict[str, Any] = {"schema": reference(body)}
    if schema is not None:
        content["example"] = {"data": [schema.example]}
    request = {"required": True, "content": {"application/json": content}, **more}
    return with_key(Protocol.NATIVE, errors, body=True, requestBody=request)
