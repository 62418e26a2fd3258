"""Scoring of requests whose rows are a table: what the protocols have in common."""

from asyncio import to_thread
from collections.abc import Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, predict
from domain.data.table import Table
from entrypoints.http.api_route import MAX_BYTES_ON_LOOP
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.request_context import record_prediction
from entrypoints.http.request_body import read_body

# Makes a response of predictions.
Present: TypeAlias = Callable[[Predictions], Response]

# From a body to its rows, read by the schema of a model; raises InvalidData or TooLarge.
Decode: TypeAlias = Callable[[LoadedModel, bytes], tuple[Table, Present]]


async def score(plane: DataPlane, request: Request, model: LoadedModel, decode: Decode) -> Response:
    """Return the response for the rows in the body of a request.

    Raises:
        InvalidData, TooLarge: the body cannot be decoded, or a row breaks the schema.
    """
    content = await read_body(request.scope, request.receive, plane.max_body_bytes)

    def score_alone() -> tuple[Predictions, Present]:
        table, present = decode(model, content)
        return predict(model, plane.predict_one.encode_table(table, model)), present

    if len(content) > MAX_BYTES_ON_LOOP:
        predictions, present = await to_thread(score_alone)
    else:
        table, present = decode(model, content)
        predictions = await plane.predict(model, plane.predict_one.encode_table(table, model))
    record_prediction(request.scope, len(predictions.vector), predictions.model)
    return present(predictions)
