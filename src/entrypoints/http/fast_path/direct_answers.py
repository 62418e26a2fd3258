"""Answers whole requests to `POST /predict` without ASGI.

The middleware is the same. A request that is not answered here goes to the application: so does
every error.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pydantic_core import to_json
from starlette.exceptions import HTTPException

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions, with_options
from domain.data.feature import Vector
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.adaptive_batching import Rows, to_matrix
from entrypoints.http.data_plane import DataPlane
from entrypoints.http.middleware.pipeline import RequestPipeline
from entrypoints.http.middleware.request_context import (
    CLIENT_CLOSED_REQUEST,
    CLOSED_WITH,
    RequestContext,
)
from entrypoints.http.request_body import is_json
from entrypoints.http.route_table import route_of

PATH = b"/predict"

_Headers: TypeAlias = list[tuple[bytes, bytes]]

# From a body to rows and options; None where the application has to decide.
Read: TypeAlias = Callable[[LoadedModel, bytes], tuple[Rows, PredictionOptions] | None]


class Caller(Protocol):
    """The connection of one request."""

    @property
    def common_headers(self) -> _Headers:
        """The headers of every response; another list when they change."""
        ...

    def respond(self, response: bytes) -> bool:
        """Send a response; return whether the caller is still there."""
        ...

    def hand_over(self, content: bytes, context: RequestContext) -> None:
        """Let the application answer an admitted request with this body."""
        ...


class DirectAnswers:
    """Answers requests of one event loop."""

    def __init__(
        self, pipeline: RequestPipeline, data_plane: DataPlane, read: Read, max_bytes: int
    ) -> None:
        """`max_bytes` is the longest body that is read on the event loop."""
        self.pipeline = pipeline
        self._batcher = data_plane.batcher
        self._serving = data_plane.serving
        self._read = read
        self._max_bytes = min(data_plane.max_body_bytes, max_bytes)
        self._route = route_of(PATH.decode())
        self._common: _Headers = []
        self._start = b""
        own = ((b"content-type", b"application/json"), *self._route.headers)
        self._middle = b"\r\n%bx-request-id: " % _lines(own)

    def accept(self, caller: Caller, headers: _Headers, content: bytes) -> bool:
        """Take a request, to respond or to hand it over; the application has the others."""
        model = self._serving.state.model
        scope: dict[str, object] = {"method": "POST", "headers": headers}
        if model is None or len(content) > self._max_bytes or not is_json(scope):
            return False
        context, token = self.pipeline.open(self._route, headers)
        try:
            self.pipeline.admit(context, token, scope)
        except HTTPException:
            return False
        read = self._read(model, content)
        if read is None:
            caller.hand_over(content, context)
        else:
            rows, options = read
            request = _Request(self, caller, context, scope, content, model, rows, options)
            self._batcher.submit(model, rows, request.end)
        return True

    def flush(self) -> None:
        """Answer all accepted requests now."""
        self._batcher.flush()

    def response(self, common: _Headers, request_id: bytes, document: bytes) -> bytes:
        """Return the whole response with a JSON document."""
        if common is not self._common:
            self._common = common
            self._start = b"HTTP/1.1 200 OK\r\n%bcontent-length: " % _lines(common)
        return b"%b%d%b%b\r\n\r\n%b" % (
            self._start,
            len(document),
            self._middle,
            request_id,
            document,
        )


@dataclass(slots=True)
class _Request:
    answers: DirectAnswers
    caller: Caller
    context: RequestContext
    scope: dict[str, object]
    content: bytes
    model: LoadedModel
    rows: Rows
    options: PredictionOptions

    def end(self, values: Vector | Exception) -> None:
        """Respond with predictions; the application meets an error again, and reports it."""
        context = self.context
        try:
            document = self._document(values)
        except Exception:  # noqa: BLE001 - see above
            self.caller.hand_over(self.content, context)
            return
        context.rows, context.model = len(self.rows), self.model.version.label
        context.status = 200
        response = self.answers.response(self.caller.common_headers, context.id, document)
        if not self.caller.respond(response):
            self.scope[CLOSED_WITH] = CLIENT_CLOSED_REQUEST
        self.answers.pipeline.close(context, self.scope)

    def _document(self, values: Vector | Exception) -> bytes:
        if isinstance(values, Exception):
            raise values
        predictions = Predictions(values, self.model.version.label)
        if self.options is not PLAIN:
            matrix = to_matrix(self.rows)
            predictions = with_options(self.model, matrix, predictions, self.options)
        return to_json(predictions.to_mapping())


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
