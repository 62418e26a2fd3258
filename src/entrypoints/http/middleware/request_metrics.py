"""What is counted, cheaply; how it is shown and added up over processes is `metrics_text`.

A request costs one search among the bounds of the histogram and two additions: everything that
Prometheus wants to see is derived from that when somebody looks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from entrypoints.http.middleware.prometheus_text import Labels, Sample
from entrypoints.http.middleware.request_context import RequestContext

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# What else there is to tell at a moment: a name, labels and a value each.
Source = Callable[[], Iterator[tuple[str, Labels, float]]]


class RequestMetrics:
    """Counts the requests of one process; lives on its event loop."""

    def __init__(self) -> None:
        # By place and status: the requests per bucket, and their seconds at the end.
        self._tallies: dict[tuple[str, int], list[float]] = {}
        self._rows: dict[str, int] = {}
        self._rejects: dict[str, int] = {}
        self._sources: list[Source] = []

    def watch(self, source: Source) -> None:
        """Ask a further source whenever the metrics are read."""
        self._sources.append(source)

    def record(self, exchange: RequestContext, seconds: float) -> None:
        """Count one request."""
        which = (exchange.place.name, exchange.status)
        tally = self._tallies.get(which)
        if tally is None:
            tally = self._tallies[which] = [0.0] * (len(BOUNDS) + 2)
        tally[bisect_left(BOUNDS, seconds)] += 1
        tally[-1] += seconds
        if exchange.rows:
            self._rows[exchange.model] = self._rows.get(exchange.model, 0) + exchange.rows
        if exchange.rejects:
            for field, count in exchange.rejects.items():
                self._rejects[field] = self._rejects.get(field, 0) + count

    def samples(self) -> Iterator[Sample]:
        """Return everything that there is to tell of this process."""
        for (place, status), tally in self._tallies.items():
            by = (("route", place), ("status", str(status)))
            yield Sample("modelport_requests_total", by, sum(tally[:-1]))
        yield from self._histogram()
        for model, rows in self._rows.items():
            yield Sample("modelport_rows_total", (("model", model),), rows)
        for field, count in self._rejects.items():
            yield Sample("modelport_rejects_total", (("field", field),), count)
        for source in self._sources:
            for name, labels, value in source():
                yield Sample(name, labels, value)

    def _histogram(self) -> Iterator[Sample]:
        by_place: dict[str, list[float]] = {}
        for (place, _), tally in self._tallies.items():
            total = by_place.setdefault(place, [0.0] * len(tally))
            total[:] = map(sum, zip(total, tally, strict=True))
        name = "modelport_request_seconds"
        for place, (*buckets, seconds) in by_place.items():
            so_far = 0.0
            for bound, requests in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                so_far += requests
                yield Sample(f"{name}_bucket", (("route", place), ("le", bound)), so_far)
            yield Sample(f"{name}_sum", (("route", place),), seconds)
            yield Sample(f"{name}_count", (("route", place),), so_far)
