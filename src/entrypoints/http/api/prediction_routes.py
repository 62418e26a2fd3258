"""`POST /predict` and `POST /explain`."""

from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from application.scoring.predict_one import Predictions
from domain.data.schema import Schema
from entrypoints.http.api.explaining import Explaining, RequireWanted
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
    415: "The body is not of type application/json, or of another content encoding.",
    422: "A row breaks the schema (every field that does is named), or the level is not allowed.",
    503: "No model is ready to answer.",
}
_EXPLAIN_ERRORS = {
    **_ERRORS,
    501: "The extra `explain` is not installed, or the model has no explanations.",
    503: "No model is ready to answer, or too many explanations are in flight.",
}


def prediction_router(
    data_plane: DataPlane,
    explaining: Explaining,
    models: RowModels,
    schema: Schema | None,
) -> APIRouter:
    """Return the routes for the served schema."""
    router = APIRouter(route_class=ApiRoute, tags=["prediction"])
    _add_predict(router, data_plane, models, schema)
    _add_explain(router, data_plane, explaining, models, schema)
    return router


def _add_predict(
    router: APIRouter, data_plane: DataPlane, models: RowModels, schema: Schema | None
) -> None:
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
        content = await _read_body(data_plane, request)
        if len(content) > MAX_BYTES_ON_LOOP:
            body = await data_plane.on_thread(_read_rows, content)
        else:
            body = _read_rows(content)
        predictions = await data_plane.predict_records(body.data, body.options)
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return _json(predictions.to_mapping())


def _add_explain(
    router: APIRouter,
    data_plane: DataPlane,
    explaining: Explaining,
    models: RowModels,
    schema: Schema | None,
) -> None:
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
        await explaining.await_capacity()
        content = await _read_body(data_plane, request)

        def explain(require_wanted: RequireWanted) -> tuple[Predictions, Response]:
            body = _read_rows(content)
            explained = explaining.explain()(body.data, body.options, require_wanted)
            return explained.predictions, _json(explained.to_mapping())

        predictions, response = await explaining.run(explain, request.receive)
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return response


def _json(document: dict[str, Any]) -> Response:
    return Response(to_json(document), media_type="application/json")


async def _read_body(data_plane: DataPlane, request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        TooLarge, Unavailable, UnsupportedMediaType: as the status codes of the route.
    """
    require_json(request.scope)
    content = await read_body(request.scope, request.receive, data_plane.max_body_bytes)
    data_plane.serving.model()  # without a model the body need not be parsed
    return content


def _read_rows(content: bytes) -> RowsRequest:
    """Return rows and options in a body.

    Raises:
        UnreadableData, InvalidData: as the status codes of the route.
    """
    return validated(RowsRequest, read_json(content, "the body"), _ALLOWED)


def _operation(
    body: type[RowsRequest], errors: dict[int, str], schema: Schema | None, **more: str
) -> dict[str, Any]:
    """Return the arguments of a route that reads its body itself."""
    content: dict[str, Any] = {"schema": reference(body)}
    if schema is not None:
        content["example"] = {"data": [schema.example]}
    request = {"required": True, "content": {"application/json": content}, **more}
    return with_key(Protocol.NATIVE, errors, body=True, requestBody=request)
