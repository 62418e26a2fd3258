"""MLflow's scoring contract as part of the OpenAPI document."""

import csv
from functools import partial
from io import StringIO

from domain.data.schema import Schema
from entrypoints.http.protocols.mlflow.scoring_payload import FORMS
from entrypoints.http.protocols.openapi_parts import (
    CELL,
    PLAIN,
    TEXT,
    Described,
    as_json,
    fields,
    many,
    operation,
)

_ROW: Described = {"type": ["object", "array"]}
_operation = partial(operation, "MLflow scoring", error="MlflowError")


def mlflow_paths(schema: Schema | None) -> Described:
    """Return the operations; the examples are made of the schema's."""
    ready = "Answer 200 once a model has passed every check."
    version = "Return the version of modelport."
    return {
        "/ping": {"get": _operation("Whether it answers", ready, PLAIN, statuses=("503",))},
        "/version": {"get": _operation("The version", version, PLAIN, statuses=())},
        "/invocations": {"post": _invocations(schema)},
    }


def mlflow_schemas() -> Described:
    """Return the types that the operations speak of."""
    request = fields(
        dataframe_split={
            **fields("data", columns=many(TEXT), data=many(many(CELL)), index=many(CELL)),
            "description": "Rows as lists, and the names of their columns.",
        },
        dataframe_records=many({"type": "object"}, "Rows as objects."),
        instances=many(_ROW, "Rows as objects, or as lists in the order of the schema."),
        inputs={
            "type": ["object", "array"],
            "items": _ROW,
            "description": "Lists of values by column, or as `instances`.",
        },
        params={"type": ["object", "null"], "description": "Ignored."},
    )
    only = f"One of {', '.join(FORMS)}. Columns that are not features are ignored."
    return {
        "MlflowError": fields("error_code message", error_code=TEXT, message=TEXT),
        "MlflowRequest": {**request, "description": only},
        "MlflowResponse": fields("predictions", predictions=many({"type": "number"})),
    }


def _invocations(schema: Schema | None) -> Described:
    content: Described = {**as_json("MlflowRequest"), "text/csv": {"schema": TEXT}}
    if schema is not None:
        content["application/json"]["example"] = {"dataframe_records": [schema.example]}
        content["text/csv"]["example"] = _csv(schema)
    described = _operation(
        "Predict",
        "Return one prediction per row, in any of MLflow's forms.",
        as_json("MlflowResponse"),
        statuses=("400", "413", "415", "503"),
    )
    return {**described, "requestBody": {"required": True, "content": content}}


def _csv(schema: Schema) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [schema.example.keys(), schema.example.values()]
    )
    return text.getvalue()
