"""Counters of requests, cheap to update; `prometheus_text` renders them.

A request costs one search among the bounds of the histogram and two additions. All sums are
computed when the metrics are read.
"""

from bisect import bisect_left
from collections.abc import Iterator

from entrypoints.http.middleware.prometheus_text import Sample
from entrypoints.http.middleware.request_context import RequestContext

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Counts the requests of one process; used on its event loop only."""

    def __init__(self) -> None:
        # By route and status: the number of requests per bucket, then the sum of their seconds.
        self._buckets: dict[tuple[str, int], list[float]] = {}
        self._rows: dict[str, int] = {}
        self._rejects: dict[str, int] = {}

    def record(self, context: RequestContext, seconds: float) -> None:
        """Count one request."""
        key = (context.route.name, context.status)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0.0] * (len(BOUNDS) + 2)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        buckets[-1] += seconds
        if context.rows:
            self._rows[context.model] = self._rows.get(context.model, 0) + context.rows
        if context.rejects:
            for field, count in context.rejects.items():
                self._rejects[field] = self._rejects.get(field, 0) + count

    def samples(self) -> Iterator[Sample]:
        """Return the samples of this process."""
        by_route: dict[str, list[float]] = {}
        for (route, status), buckets in self._buckets.items():
            labels = (("route", route), ("status", str(status)))
            yield Sample("modelport_requests_total", labels, sum(buckets[:-1]))
            total = by_route.setdefault(route, [0.0] * len(buckets))
            total[:] = map(sum, zip(total, buckets, strict=True))
        for route, buckets in by_route.items():
            yield from _histogram(route, buckets)
        for model, rows in self._rows.items():
            yield Sample("modelport_rows_total", (("model", model),), rows)
        for field, count in self._rejects.items():
            yield Sample("modelport_rejects_total", (("field", field),), count)


def _histogram(route: str, buckets: list[float]) -> Iterator[Sample]:
    name, label = "modelport_request_seconds", ("route", route)
    *counts, seconds = buckets
    cumulative = 0.0
    for bound, requests in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        cumulative += requests
        yield Sample(f"{name}_bucket", (label, ("le", bound)), cumulative)
    yield Sample(f"{name}_sum", (label,), seconds)
    yield Sample(f"{name}_count", (label,), cumulative)
