"""Counters of requests and of calls of the model, cheap to update.

An observation costs one search among the bounds of a histogram and two additions. All sums are
computed when the metrics are read.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Lock
from time import perf_counter

from entrypoints.http.middleware.exposition import Labels, Sample
from entrypoints.http.middleware.request_context import RequestContext

SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Histogram:
    """Counts values per bucket, and adds them up."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self._counts)

    def samples(self, name: str, labels: Labels = ()) -> Iterator[Sample]:
        """Return the samples of a histogram with these labels."""
        cumulative = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            cumulative += count
            yield Sample(f"{name}_bucket", (*labels, ("le", bound)), cumulative)
        yield Sample(f"{name}_sum", labels, self._total)
        yield Sample(f"{name}_count", labels, cumulative)


class RequestMetrics:
    """Counts the requests of one process; used on its event loop only.

    Routes, status codes and reasons are few. `model` is a served version, or empty for a request
    without a prediction: callers cannot add label values.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int, str], Histogram] = {}
        self._rows: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()

    def record(self, context: RequestContext, seconds: float) -> None:
        """Count one request."""
        key = (context.route.name, context.status, context.model)
        histogram = self._requests.get(key)
        if histogram is None:
            histogram = self._requests[key] = Histogram(SECONDS)
        histogram.observe(seconds)
        if context.rows:
            self._rows[context.model] += context.rows
        if context.rejects:
            self._rejects.update(context.rejects)
        if context.refusal:
            self.refuse(context.refusal)

    def refuse(self, reason: str) -> None:
        """Count one refusal."""
        self._refusals[reason] += 1

    def samples(self) -> Iterator[Sample]:
        """Return the samples of this process."""
        requests: Counter[tuple[str, int]] = Counter()
        for (route, status, model), histogram in self._requests.items():
            requests[route, status] += histogram.count
            labels = (("route", route), ("status", str(status)), ("model", model))
            yield from histogram.samples("modelport_request_seconds", labels)
        for (route, status), count in requests.items():
            by_route = (("route", route), ("status", str(status)))
            yield Sample("modelport_requests_total", by_route, count)
        yield from _counts("modelport_rows_total", "model", self._rows)
        yield from _counts("modelport_rejects_total", "field", self._rejects)
        yield from _counts("modelport_refusals_total", "reason", self._refusals)


class ModelCallMetrics:
    """Counts the calls of the model; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._queue = Histogram(SECONDS)
        self._rows = Histogram(ROWS)
        self._compute: dict[str, Histogram] = {}

    def record(self, model: str, rows: int, start: float, waiting: Sequence[float]) -> None:
        """Count one call that ends now.

        `start` is when it began by `perf_counter`; `waiting` is since when each of its requests
        was ready.
        """
        seconds = perf_counter() - start
        with self._lock:
            if model not in self._compute:
                self._compute[model] = Histogram(SECONDS)
            self._compute[model].observe(seconds)
            self._rows.observe(rows)
            for since in waiting:
                self._queue.observe(start - since)

    def record_wait(self, since: float) -> None:
        """Count the wait of a request for a thread that begins now."""
        with self._lock:
            self._queue.observe(perf_counter() - since)

    @property
    def count(self) -> int:
        """The number of calls."""
        return self._rows.count

    def samples(self) -> Iterator[Sample]:
        """Return the samples of this process."""
        with self._lock:
            yield Sample("modelport_model_calls_total", (), self.count)
            yield from self._queue.samples("modelport_queue_seconds")
            yield from self._rows.samples("modelport_batch_rows")
            for model, histogram in self._compute.items():
                yield from histogram.samples("modelport_compute_seconds", (("model", model),))


def _counts(name: str, label: str, counts: Counter[str]) -> Iterator[Sample]:
    for value, count in counts.items():
        yield Sample(name, ((label, value),), count)
