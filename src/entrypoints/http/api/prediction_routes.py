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
from entrypoints.http.api_route import JsonRoute
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.request_context import record_prediction
from entrypoints.http.openapi_responses import with_key
from entrypoints.http.route_table import Protocol

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
    plane: DataPlane, explain: Callable[[], ExplainRows], models: RowModels, schema: Schema | None
) -> APIRouter:
    """Return the routes for the served schema; the libraries that explain load at first use."""
    router = APIRouter(route_class=JsonRoute, tags=["prediction"])

    async def predict(request: Request, body: RowsRequest) -> Response:
        """Return one prediction per row, all by the same model version."""
        predictions = await plane.predict_records(body.data, body.options)
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return _json(predictions.to_mapping())

    async def explanations(request: Request, body: RowsRequest) -> Response:
        """Return a base value and one contribution per feature, which add up to the prediction.

        It needs the extra `explain`.
        """
        explained = await to_thread(lambda: explain()(body.data, body.options))
        predictions = explained.predictions
        record_prediction(request.scope, len(predictions.vector), predictions.model)
        return _json(explained.to_mapping())

    predict.__annotations__["body"] = models.predict_request
    explanations.__annotations__["body"] = models.explain_request
    described = {} if schema is None else {"description": feature_table(schema)}
    router.post(
        "/predict",
        summary="Predict",
        operation_id="predict",
        response_model=models.predict_response,
        response_description="Predictions.",
        **with_key(Protocol.NATIVE, _ERRORS, body=True, requestBody=_example(schema) | described),
    )(predict)
    router.post(
        "/explain",
        summary="Explain",
        operation_id="explain",
        response_model=models.explain_response,
        response_description="Explanations.",
        **with_key(Protocol.NATIVE, _EXPLAIN_ERRORS, body=True, requestBody=_example(schema)),
    )(explanations)
    return router


def _json(document: dict[str, Any]) -> Response:
    return Response(to_json(document), media_type="application/json")


def _example(schema: Schema | None) -> dict[str, Any]:
    if schema is None:
        return {}
    return {"content": {"application/json": {"example": {"data": [schema.example]}}}}
