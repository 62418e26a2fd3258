"""`POST /explain`: what each feature adds to a prediction."""

from asyncio import to_thread
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from application.scoring.explain_rows import ExplainRows, Explanations
from entrypoints.http.middleware.request_context import record_error, record_prediction
from entrypoints.http.request_body import read_body, read_question, require_json


class ExplainEndpoint:
    """Explains the answers of the model that is served; its libraries are loaded at first use."""

    def __init__(self, explain: Callable[[], ExplainRows], max_body_bytes: int) -> None:
        self._explain = explain
        self._max_body_bytes = max_body_bytes

    async def answer(self, request: Request) -> JSONResponse:
        """Answer one request; whatever is wrong is raised, to be answered as a problem."""
        try:
            require_json(request.scope)
            content = await read_body(request.scope, request.receive, self._max_body_bytes)
            answer = await to_thread(self._explained, content)
        except Exception as error:
            record_error(request.scope, error)
            raise
        record_prediction(request.scope, len(answer.predictions.vector), answer.predictions.model)
        return JSONResponse(answer.to_mapping())

    def _explained(self, content: bytes) -> Explanations:
        return self._explain()(*read_question(content))


def explain_paths(example: dict[str, Any] | None, errors: dict[str, Any]) -> dict[str, Any]:
    """Return the path's entry in the OpenAPI document; `errors` are the answers to bad requests."""
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/ExplainRequest"}}
    if example is not None:
        content["example"] = {"data": [example]}
    answer = {"schema": {"$ref": "#/components/schemas/ExplainResponse"}}
    return {
        "/explain": {
            "post": {
                "tags": ["prediction"],
                "summary": "Explain",
                "description": "Return for each row a base and what each feature adds to it: "
                "together they are the prediction. It takes the extra `explain`.",
                "operationId": "explain",
                "requestBody": {"required": True, "content": {"application/json": content}},
                "responses": {
                    "200": {
                        "description": "Explanations.",
                        "content": {"application/json": answer},
                    },
                    **errors,
                },
            }
        }
    }


def explain_schemas(
    names: tuple[str, ...], request: dict[str, Any], predicted: dict[str, Any]
) -> dict[str, Any]:
    """Return the schemas of request and answer.

    `names` are the features, if they are known, `predicted` is the schema of what /predict answers.
    """
    others = {name: each for name, each in predicted["properties"].items() if name != "predictions"}
    contributions: dict[str, Any] = {
        "type": "object",
        "description": "What each feature adds to the base, in units of the target.",
        "additionalProperties": {"type": "number"},
    }
    if names:
        contributions["properties"] = {name: {"type": "number"} for name in names}
        contributions["required"] = [*names]
    fields = {
        "base": {"type": "number", "description": "What the model answers without the features."},
        "contributions": contributions,
        "prediction": {"type": "number", "description": "The sum of all: what /predict answers."},
    }
    row = {"type": "object", "required": [*fields], "properties": fields}
    return {
        "ExplainRequest": request,
        "ExplainResponse": {
            "type": "object",
            "required": ["explanations", "model"],
            "properties": {
                "explanations": {
                    "type": "array",
                    "items": row,
                    "description": "One per row, in the order given.",
                },
                **others,
            },
        },
    }
