"""Spans, sent to an OTLP/HTTP receiver.

Where to, with which headers, what is sampled and by which name is said by OpenTelemetry's own
variables, `OTEL_…`, which its SDK reads.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from threading import Thread
from time import time_ns

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from application.ports import Attributes

_SERVICE = "modelport"
_NAMELESS = "unknown_service"
_CLOSE_SECONDS = 3.0


class OtelTraces:
    """A `Traces` that sends spans in batches, on a thread of its own.

    A receiver that is away or slow holds up nobody: spans that there is no room for are dropped.
    """

    def __init__(self) -> None:
        self._propagator = TraceContextTextMapPropagator()

    def record(
        self,
        name: str,
        seconds: float,
        attributes: Attributes,
        *,
        caller: Mapping[str, str] | None = None,
        failed: bool = False,
    ) -> None:
        end = time_ns()
        span = self._tracer.start_span(
            name,
            None if caller is None else self._propagator.extract(caller),
            SpanKind.INTERNAL if caller is None else SpanKind.SERVER,
            attributes,
            start_time=end - round(seconds * 1e9),
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        # The SDK would wait for half a minute for a receiver that is away.
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    @cached_property
    def _provider(self) -> TracerProvider:
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return provider

    @cached_property
    def _tracer(self) -> Tracer:
        return self._provider.get_tracer(_SERVICE, version(_SERVICE))


def _resource() -> Resource:
    """Return what OpenTelemetry's variables say of this process; a name where they say none."""
    said = Resource.create({SERVICE_VERSION: version(_SERVICE)})
    if str(said.attributes[SERVICE_NAME]).startswith(_NAMELESS):
        said = said.merge(Resource({SERVICE_NAME: _SERVICE}))
    return said
