"""Spans, sent to an OTLP/HTTP receiver.

OpenTelemetry's own variables, `OTEL_…`, set the address, the headers, the sampling and the name of
the service.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from threading import Thread
from time import time_ns

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from application.ports import Attributes

_SERVICE = "modelport"
_CLOSE_SECONDS = 3.0


class OtelTraces:
    """A `Traces` that sends spans in batches on a background thread.

    A slow or missing receiver delays nothing: when the queue is full, spans are dropped.
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
        # Without a receiver the SDK waits for 30 s, and has no parameter for that.
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    @cached_property
    def _provider(self) -> TracerProvider:
        ours = Resource.create({SERVICE_NAME: _SERVICE, SERVICE_VERSION: version(_SERVICE)})
        resource = ours.merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return provider

    @cached_property
    def _tracer(self) -> Tracer:
        return self._provider.get_tracer(_SERVICE, version(_SERVICE))
