"""The Open Inference Protocol as part of the OpenAPI document."""

from functools import partial
from typing import Any

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from entrypoints.http.protocols.open_inference.infer_request import HEADER, PREDICTION
from entrypoints.http.protocols.open_inference.inputs import TOGETHER, datatypes
from entrypoints.http.protocols.open_inference.tensors import DATATYPES
from entrypoints.http.protocols.openapi_parts import (
    CELL,
    FLAG,
    INTEGER,
    TEXT,
    Described,
    as_json,
    fields,
    many,
    operation,
)

_operation = partial(operation, "Open Inference Protocol V2", error="V2Error")
_ELEMENT: Described = {"type": [*CELL["type"], "array"]}
_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"


def v2_paths(schema: Schema | None) -> Described:
    """Return the operations; the example is made of the schema's."""
    paths: Described = {
        "/v2": _get("The server", "Return name, version and extensions.", "V2Server"),
        "/v2/health/live": _get("Whether the server is alive", "Answer if it can.", "V2Live"),
        "/v2/health/ready": _get(
            "Whether predictions are answered",
            "Answer 200 once a model has passed every check, 503 with the reason until then.",
            "V2Ready",
            "503",
        ),
    }
    for path in (_MODEL, _VERSION):
        paths |= {
            path: _get(
                "The model", "Return name, version and tensors.", "V2Model", "404", "503", path=path
            ),
            f"{path}/ready": _get(
                "Whether the model answers",
                "Answer 200 if this model, in this version, answers here.",
                "V2ModelReady",
                "404",
                "503",
                path=path,
            ),
            f"{path}/infer": {"post": _infer(path, schema)},
        }
    return paths


def v2_schemas() -> Described:
    """Return the types that the operations speak of."""
    described = {
        "name": TEXT,
        "datatype": {"type": "string", "enum": [*DATATYPES]},
        "shape": many(INTEGER, "Rows, and columns if there are several; -1 is any number."),
    }
    content = {"data": many(_ELEMENT, "Absent if the content is binary."), "parameters": fields()}
    needed = " ".join(described)
    tensor = fields(needed, **described)
    whole = fields(needed, **described, **content)
    wanted = fields("name", name={"type": "string", "enum": [PREDICTION]}, parameters=fields())
    return {
        "V2Error": fields("error", error=TEXT),
        "V2Server": fields(
            "name version extensions", name=TEXT, version=TEXT, extensions=many(TEXT)
        ),
        "V2Live": fields("live", live=FLAG),
        "V2Ready": fields("ready", ready=FLAG),
        "V2ModelReady": fields("name ready", name=TEXT, ready=FLAG),
        "V2Model": fields(
            "name versions platform inputs outputs",
            name=TEXT,
            versions=many(TEXT),
            platform=TEXT,
            inputs=many(tensor, "One per feature."),
            outputs=many(tensor, f"`{PREDICTION}`."),
        ),
        "V2Request": fields(
            "inputs",
            id={"type": "string", "description": "Comes back in the answer."},
            inputs=many(
                whole, f"One per feature; or `{TOGETHER}`, [rows, features], if all are numbers."
            ),
            outputs=many(wanted),
            parameters=fields(),
        ),
        "V2Response": fields(
            "model_name model_version outputs",
            model_name=TEXT,
            model_version=TEXT,
            id=TEXT,
            outputs=many(whole, f"`{PREDICTION}`."),
        ),
    }


def _get(summary: str, text: str, answer: str, *statuses: str, path: str = "") -> Described:
    described = _operation(summary, text, as_json(answer), statuses=statuses)
    return {"get": {**described, "parameters": _parameters(path)}}


def _infer(path: str, schema: Schema | None) -> Described:
    body: Described = as_json("V2Request")["application/json"]
    if schema is not None:
        body["example"] = {"inputs": [_example(feature) for feature in schema.features]}
    binary: Described = {"application/octet-stream": {"schema": {**TEXT, "format": "binary"}}}
    described = _operation(
        "Predict",
        "Return one prediction per row. Tensors stand in the JSON or, in binary form, after it;\n"
        f"then `{HEADER}` says how many bytes the JSON has.",
        {**as_json("V2Response"), **binary},
        statuses=("400", "404", "413", "415", "503"),
    )
    header = {
        "in": "header",
        "name": HEADER,
        "required": False,
        "schema": {**INTEGER, "minimum": 0},
    }
    return {
        **described,
        "parameters": [*_parameters(path), header],
        "requestBody": {"required": True, "content": {"application/json": body}},
    }


def _parameters(path: str) -> list[Described]:
    names = [name for name in ("model", "version") if f"{{{name}}}" in path]
    return [{"in": "path", "name": name, "required": True, "schema": TEXT} for name in names]


def _example(feature: Feature) -> dict[str, Any]:
    value = feature.sample
    if feature.kind is Kind.INTEGER and value is not None:
        value = int(value)
    return {"name": feature.name, "datatype": datatypes(feature)[0], "shape": [1], "data": [value]}
