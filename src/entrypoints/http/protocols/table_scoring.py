"""Scoring of requests whose rows are a table: shared by the protocols and the fast path."""

from collections.abc import Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from domain.data.schema import Matrix
from domain.data.table import Table
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.request_context import record_prediction
from entrypoints.http.request_body import MAX_BYTES_ON_LOOP, read_body

# Makes a response of predictions.
Present: TypeAlias = Callable[[Predictions], Response]

# From a body to its rows, read by the schema of a model; raises InvalidData or TooLarge.
Decode: TypeAlias = Callable[[LoadedModel, bytes], tuple[Table, Present]]


# From a table to the rows of the model.
Encode: TypeAlias = Callable[[Table, LoadedModel], Matrix]


async def respond(
    data_plane: DataPlane, request: Request, model: LoadedModel, decode: Decode
) -> Response:
    """Return the response for the rows in the body of a request.

    Raises:
        InvalidData, TooLarge: the body cannot be decoded, or a row breaks the schema.
    """
    content = await read_body(request.scope, request.receive, data_plane.max_body_bytes)
    encode = data_plane.predict_one.encode_table
    predictions, response = await score(data_plane, model, content, decode=decode, encode=encode)
    record_prediction(request.scope, len(predictions.vector), predictions.model)
    return response


async def score(
    data_plane: DataPlane,
    model: LoadedModel,
    content: bytes,
    *,
    decode: Decode,
    encode: Encode,
    max_bytes_on_loop: int = MAX_BYTES_ON_LOOP,
) -> tuple[Predictions, Response]:
    """Return predictions and response for a body; a longer body is scored on a thread, alone."""

    def score_alone() -> tuple[Predictions, Response]:
        table, present = decode(model, content)
        predictions = data_plane.predict_alone(model, encode(table, model))
        return predictions, present(predictions)

    if len(content) > max_bytes_on_loop:
        return await data_plane.on_thread(score_alone)
    table, present = decode(model, content)
    predictions = await data_plane.predict(model, encode(table, model))
    return predictions, present(predictions)
