"""What the front adds to the OpenAPI document: its refusals, the keys, and the metrics."""

from typing import Any

from domain.security.api_keys import Scope
from entrypoints.http.problem_details import MEDIA_TYPE
from entrypoints.http.protocols.openapi_parts import PLAIN, as_json
from entrypoints.http.route_table import Protocol, RouteInfo, route_of

_REFUSALS = {
    "401": "A key is needed, and there is none that is good.",
    "403": "The key lacks the scope.",
    "408": "The body took too long to come.",
    "429": "The key is used too often; says when to come back.",
    "503": "The server is full, or no model is ready; says why.",
}

_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key as `Bearer`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key."},
}


def guarded(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document to which every path's refusals are added."""
    paths = {**document["paths"], "/metrics": {"get": _metrics()}}
    return {
        **document,
        "paths": {path: _guarded(route_of(path), methods) for path, methods in paths.items()},
        "components": {**document["components"], "securitySchemes": _KEYS},
    }


def _guarded(place: RouteInfo, methods: dict[str, Any]) -> dict[str, Any]:
    if place.needs is None:
        return methods
    return {method: _refusing(place, operation) for method, operation in methods.items()}


def _refusing(place: RouteInfo, operation: dict[str, Any]) -> dict[str, Any]:
    content = _CONTENT[place.protocol]
    refusals = {
        status: {"description": text, "content": content}
        for status, text in _REFUSALS.items()
        if status != "408" or "requestBody" in operation
    }
    responses = {**refusals, **operation["responses"]}
    # The empty entry: where no keys are configured, none is needed.
    security: list[dict[str, list[str]]] = [{}]
    security += [{scheme: []} for scheme in _KEYS]
    return {**operation, "responses": dict(sorted(responses.items())), "security": security}


def _metrics() -> dict[str, Any]:
    return {
        "tags": ["health"],
        "summary": "What Prometheus reads",
        "description": "Return the metrics of all processes of the server as Prometheus' text. "
        f"A key needs the scope `{Scope.METRICS}`.",
        "operationId": "metrics",
        "responses": {"200": {"description": "Metrics.", "content": PLAIN}},
    }


_CONTENT = {
    Protocol.NATIVE: {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    Protocol.V2: as_json("V2Error"),
    Protocol.MLFLOW: as_json("MlflowError"),
}
