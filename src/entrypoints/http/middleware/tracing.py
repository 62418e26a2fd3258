"""What is traced of a server: each request, and each time that following the model had a result.

A span says which route, status, model version and how many rows: never the caller's data, nor the
path or the query as they came.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from starlette.types import Scope

from application.ports import Attributes, Traces
from application.serving.served_model import Reload, ServedModel
from entrypoints.http.middleware.request_context import RequestContext

_CONTEXT = (b"traceparent", b"tracestate")
_SERVER_ERROR = 500


class Tracing:
    """Hands on what a server has done."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def request(self, exchange: RequestContext, seconds: float, scope: Scope) -> None:
        """Trace one request that has been answered, as a part of its caller's trace."""
        method, route, status = scope["method"], exchange.place.name, exchange.status
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "modelport.request_id": exchange.id.decode(),
        }
        if exchange.model:
            attributes |= {"modelport.model": exchange.model, "modelport.rows": exchange.rows}
        failed = status >= _SERVER_ERROR
        if failed:
            attributes["error.type"] = str(status)
        caller = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in _CONTEXT}
        self._traces.record(f"{method} {route}", seconds, attributes, caller=caller, failed=failed)

    @contextmanager
    def reload(self, serving: ServedModel) -> Iterator[None]:
        """Trace what the block does, if the server takes, recalls or rejects a version by it."""
        before, started = serving.state.reloads, perf_counter()
        try:
            yield
        finally:
            state = serving.state
            outcomes = [kind for kind in Reload if state.reloads[kind] > before[kind]]
            attributes: dict[str, str | int] = {}
            if state.model is not None:
                attributes["modelport.model"] = state.model.version.label
            for kind in outcomes:
                failed = kind in (Reload.REJECTED, Reload.FAILED)
                self._record_reload(kind, perf_counter() - started, attributes, failed=failed)

    def close(self) -> None:
        """Send what there is, and end."""
        self._traces.close()

    def _record_reload(
        self, kind: Reload, seconds: float, attributes: Attributes, *, failed: bool
    ) -> None:
        outcome = {"modelport.outcome": kind.value}
        self._traces.record("model reload", seconds, {**attributes, **outcome}, failed=failed)
