"""The FastAPI application for one schema: all routes, and the OpenAPI document."""

import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from domain.data.schema import Schema
from entrypoints.http.api.documentation_routes import (
    add_documentation,
    redirect_without_slash,
)
from entrypoints.http.api.explaining import Explaining
from entrypoints.http.api.prediction_routes import prediction_router
from entrypoints.http.api.row_models import row_models
from entrypoints.http.api.service_routes import service_router
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.error_responses import error_response
from entrypoints.http.middleware.request_context import record_error
from entrypoints.http.openapi_responses import ERROR_MODELS
from entrypoints.http.protocols.mlflow.scoring_payload import FORMS
from entrypoints.http.protocols.mlflow.scoring_routes import mlflow_router
from entrypoints.http.protocols.open_inference.infer_request import V2Request
from entrypoints.http.protocols.open_inference.inference_routes import (
    UNSUPPORTED,
    open_inference_router,
)
from entrypoints.http.route_table import Protocol, route_of


class DocumentedApi(FastAPI):
    """A FastAPI application whose document also holds the models that routes refer to by name."""

    referenced: tuple[type[BaseModel], ...] = ()

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            components = super().openapi()["components"]
            _, referenced = models_json_schema(
                [(model, "validation") for model in self.referenced],
                ref_template="#/components/schemas/{model}",
            )
            schemas = {**components["schemas"], **referenced["$defs"]}
            components["schemas"] = dict(sorted(schemas.items()))
        return super().openapi()


def fastapi_app(
    data_plane: DataPlane,
    explaining: Explaining,
    show_metrics: Callable[[Request], Awaitable[Response]],
    schema: Schema | None,
    *,
    max_explained_rows: int,
    servers: Callable[[Scope], list[dict[str, str]]],
) -> FastAPI:
    """Return the application for the served schema; None is a server without a model."""
    # FastAPI imports pydantic.v1, if it can, to refuse models of it: a tenth of the start.
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
    app = DocumentedApi(
        title="modelport",
        version=version("modelport"),
        description="Predictions by a governed model. `GET /model` describes it.",
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    models = row_models(schema, data_plane.predict_one.max_rows, max_explained_rows)
    requests: tuple[type[BaseModel], ...] = (
        models.predict_request,
        models.explain_request,
        *FORMS.values(),
        V2Request,
    )
    app.referenced = (*ERROR_MODELS, *requests)
    app.include_router(prediction_router(data_plane, explaining, models, schema))
    app.include_router(mlflow_router(data_plane, schema))
    app.include_router(open_inference_router(data_plane, schema))
    app.include_router(service_router(data_plane.serving, show_metrics))
    app.add_exception_handler(HTTPException, _on_http_error)
    add_documentation(app, servers)
    return app


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer for a path or method without a route."""
    protocol = route_of(request.scope["path"]).protocol
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        redirect = redirect_without_slash(request)
        if redirect is not None:
            return redirect
        if protocol is Protocol.V2:
            error = HTTPException(HTTPStatus.NOT_FOUND, UNSUPPORTED)
    record_error(request.scope, error)
    response = error_response(protocol, error)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = response.headers.get("allow", "GET")
        response.headers["allow"] = "GET, HEAD" if "GET" in allowed else allowed
    return response
