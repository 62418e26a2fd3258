"""Traces of a server: one span per request, one per reload of the model.

A span holds route, status, model version and number of rows. It never holds the caller's data,
nor the path or the query of the request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from starlette.types import Scope

from application.ports import Traces
from application.serving.served_model import Reload, ServedModel
from entrypoints.http.middleware.request_context import RequestContext

_CONTEXT_HEADERS = (b"traceparent", b"tracestate")
_SERVER_ERROR = 500


class Tracing:
    """Records the spans of a server."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def record_request(self, context: RequestContext, seconds: float, scope: Scope) -> None:
        """Record an answered request as a child span of its caller's trace."""
        method, route, status = scope["method"], context.route.name, context.status
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "modelport.request_id": context.id.decode(),
        }
        if context.model:
            attributes |= {"modelport.model": context.model, "modelport.rows": context.rows}
        failed = status >= _SERVER_ERROR
        if failed:
            attributes["error.type"] = str(status)
        headers = ((name, value) for name, value in scope["headers"] if name in _CONTEXT_HEADERS)
        caller = {name.decode(): value.decode("latin-1") for name, value in headers}
        self._traces.record(f"{method} {route}", seconds, attributes, caller=caller, failed=failed)

    @contextmanager
    def reload(self, serving: ServedModel) -> Iterator[None]:
        """Record a span for each reload that the block causes."""
        before, started = serving.state.reloads, perf_counter()
        try:
            yield
        finally:
            state, seconds = serving.state, perf_counter() - started
            for outcome in (each for each in Reload if state.reloads[each] > before[each]):
                attributes = {"modelport.outcome": outcome.value}
                if state.model is not None:
                    attributes["modelport.model"] = state.model.version.label
                failed = outcome in (Reload.REJECTED, Reload.FAILED)
                self._traces.record("model reload", seconds, attributes, failed=failed)

    def close(self) -> None:
        """Send the remaining spans."""
        self._traces.close()
