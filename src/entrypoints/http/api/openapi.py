"""The OpenAPI document, with a row described field by field from the model's schema."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from entrypoints.http.api.explain_endpoint import explain_paths, explain_schemas
from entrypoints.http.api.openapi_security import guarded
from entrypoints.http.problem_details import MEDIA_TYPE
from entrypoints.http.protocols.mlflow.scoring_openapi import mlflow_paths, mlflow_schemas
from entrypoints.http.protocols.open_inference.inference_openapi import v2_paths, v2_schemas

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~&]")

_TYPES = {
    Kind.NUMBER: "number",
    Kind.INTEGER: "integer",
    Kind.CATEGORY: "string",
    Kind.BOOLEAN: "boolean",
}

_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "An error as in RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "One entry per field that breaks the schema; rows count from zero.",
            "items": {
                "type": "object",
                "required": ["row", "field", "problem", "allowed"],
                "properties": {
                    "row": {"type": "integer"},
                    "field": {"type": "string"},
                    "problem": {"type": "string"},
                    "allowed": {"type": "string"},
                },
            },
        },
    },
}

_PREDICT_ERRORS = {
    "400": "The body is not JSON.",
    "413": "Too many rows or bytes.",
    "415": "The body is not of type application/json.",
    "422": "A row breaks the schema (every field that does is named), or the level is not allowed.",
    "503": "No model is ready to answer.",
}

_EXPLAIN_ERRORS = {"501": "The extra `explain` is not installed, or the model has no explanations."}


def openapi_document(
    app: FastAPI, schema: Schema | None, max_rows: int, max_explained: int
) -> dict[str, Any]:
    """Return the document; without a schema (no model yet) a row is any object."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    schemas["Row"] = {"type": "object"} if schema is None else row_schema(schema)
    schemas["PredictRequest"] = _request_schema(max_rows)
    schemas["PredictResponse"] = _response_schema(schema)
    document["paths"]["/predict"] = {"post": _predict_operation(schema)}
    example = schema.example if schema else None
    document["paths"] |= explain_paths(example, _errors(_PREDICT_ERRORS | _EXPLAIN_ERRORS))
    names = schema.names if schema else ()
    schemas |= explain_schemas(names, _request_schema(max_explained), schemas["PredictResponse"])
    document["paths"] |= v2_paths(schema) | mlflow_paths(schema)
    schemas |= v2_schemas() | mlflow_schemas()
    return guarded(document)


def row_schema(schema: Schema) -> dict[str, Any]:
    """Return the JSON Schema of one row."""
    return {
        "title": schema.name,
        "type": "object",
        "additionalProperties": False,
        "required": [feature.name for feature in schema.features if not feature.nullable],
        "properties": {feature.name: _property(feature) for feature in schema.features},
        "example": schema.example,
    }


def _property(feature: Feature) -> dict[str, Any]:
    kind = _TYPES[feature.kind]
    unit = f"Unit: {feature.unit}" if feature.unit else ""
    sentences = (feature.description, unit, f"Allowed: {feature.allowed}")
    described: dict[str, Any] = {
        "type": [kind, "null"] if feature.nullable else kind,
        "description": " ".join(f"{each.rstrip('.')}." for each in sentences if each),
    }
    if feature.low is not None:
        described["minimum"] = feature.low
    if feature.high is not None:
        described["maximum"] = feature.high
    if feature.categories:
        nothing = [None] if feature.nullable else []
        described["enum"] = [*feature.categories, *nothing]
    if feature.example is not None:
        described["examples"] = [feature.example]
    return described


def _request_schema(max_rows: int) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["data"],
        "properties": {
            "data": {
                "type": "array",
                "minItems": 1,
                "maxItems": max_rows,
                "items": {"$ref": "#/components/schemas/Row"},
            },
            "interval": {
                "type": ["number", "null"],
                "minimum": 0.5,
                "maximum": 0.99,
                "description": "Level of an interval to answer around each prediction.",
                "examples": [0.9],
            },
            "extrapolates": {
                "type": "boolean",
                "default": False,
                "description": "Whether to answer where a row lies beyond the training data.",
            },
        },
    }


def _response_schema(schema: Schema | None) -> dict[str, Any]:
    target = schema.target if schema else None
    unit = f" in {target.unit}" if target and target.unit else ""
    name = target.name if target else "the target"
    return {
        "type": "object",
        "required": ["predictions", "model"],
        "properties": {
            "predictions": {
                "type": "array",
                "items": {"type": "number"},
                "description": f"Predicted {name}{unit}, one per row, in the order given.",
            },
            "intervals": {
                "type": "array",
                "items": {
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": 2,
                    "maxItems": 2,
                },
                "description": (
                    "Where `interval` was asked for: the lower and the upper end per row, around "
                    "its prediction, that hold the truth as often as the level says."
                ),
            },
            "extrapolates": {
                "type": "array",
                "items": {"type": "array", "items": {"type": "string"}},
                "description": (
                    "Where it was asked for: per row the features by which it lies beyond the "
                    "rows that the model learnt from, none as a rule."
                ),
            },
            "model": {
                "type": "string",
                "description": "The version that answered.",
                "examples": ["housing/7"],
            },
        },
    }


def _predict_operation(schema: Schema | None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/PredictRequest"}}
    body: dict[str, Any] = {"required": True, "content": {"application/json": content}}
    if schema is not None:
        content["example"] = {"data": [schema.example]}
        body["description"] = _fields(schema)
    answer = {"schema": {"$ref": "#/components/schemas/PredictResponse"}}
    return {
        "tags": ["prediction"],
        "summary": "Predict",
        "description": "Return one prediction per row, all by the same model version.",
        "operationId": "predict",
        "requestBody": body,
        "responses": {
            "200": {"description": "Predictions.", "content": {"application/json": answer}},
            **_errors(_PREDICT_ERRORS),
        },
    }


def _errors(meanings: Mapping[str, str]) -> dict[str, Any]:
    fault = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": text, "content": fault} for status, text in meanings.items()}


def _fields(schema: Schema) -> str:
    """Return the fields of a row as a Markdown table, to be read beside the example."""
    lines = ["| field | allowed | meaning |", "| --- | --- | --- |"]
    for feature in schema.features:
        cells = (feature.name, feature.allowed, feature.description)
        lines.append(f"| {' | '.join(map(_in_markdown, cells))} |")
    return "\n".join(lines)


def _in_markdown(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")
