"""Saying no in the form of the protocol that a path belongs to."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from entrypoints.http import problem_details as problems
from entrypoints.http.protocols.mlflow import scoring_routes as mlflow_routes
from entrypoints.http.protocols.open_inference import inference_routes as v2_routes
from entrypoints.http.protocols.protocol_app import refusal
from entrypoints.http.route_table import Protocol, RouteInfo, route_of

_FORMS = {Protocol.V2: v2_routes.form, Protocol.MLFLOW: mlflow_routes.form}


def refuse(
    place: RouteInfo, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer of a place that does not do what it is asked to."""
    form = _FORMS.get(place.protocol)
    if form is None:
        answer = problems.problem(status, status.phrase, detail)
    else:
        answer = refusal(form, status, detail)
    answer.headers.update(headers or {})
    return answer


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer for a path or method that no route takes."""
    if not isinstance(error, HTTPException):
        raise error
    place = route_of(request.scope["path"])
    return refuse(place, HTTPStatus(error.status_code), error.detail, error.headers)
