"""The metrics of a server as `prometheus_client` exposes them, merged over its processes.

Each process writes its samples to a file of its own once a second. The process that answers
merges them with its own samples. Counters of a process that has ended are kept. The library
counts nothing; it is imported when a model is ready at the earliest.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    labels: Labels
    value: float


# Kind and help text by name. Values of several processes are added, with two exceptions.
METRICS = {
    "modelport_requests_total": ("counter", "Requests, by route and status."),
    "modelport_request_seconds": (
        "histogram",
        (
            "Time from the headers of a request to the end of its response, by route, status and "
            "model version (empty without a prediction)."
        ),
    ),
    "modelport_queue_seconds": (
        "histogram",
        "Time that requests wait for adaptive batching, or for a thread if they are large.",
    ),
    "modelport_compute_seconds": (
        "histogram",
        "Time of a call of the model, features included, by model version.",
    ),
    "modelport_batch_rows": ("histogram", "Rows of a call of the model."),
    "modelport_model_calls_total": ("counter", "Calls of the model."),
    "modelport_rows_total": ("counter", "Predicted rows, by model version."),
    "modelport_rejects_total": ("counter", "Rejected values, by field of the schema."),
    "modelport_refusals_total": ("counter", "Refused and failed requests, by reason."),
    "modelport_reloads_total": ("counter", "Changes and failed changes of the model, by outcome."),
    "modelport_access_log_dropped_total": ("counter", "Dropped lines of the access log."),
    "modelport_in_flight": ("gauge", "Requests in flight."),
    "modelport_queue_depth": (
        "gauge",
        "Largest number of requests in one call of the model within the last second.",
    ),
    "modelport_model_info": ("gauge", "Processes that serve this model version."),
    "modelport_model_age_seconds": ("gauge", "Time since the model version was registered."),
    "modelport_ready": ("gauge", "Processes that can predict."),
    "modelport_degraded": ("gauge", "Processes that may serve an outdated model version."),
    "modelport_keys_stale": ("gauge", "Processes that cannot read the API keys."),
    "modelport_build_info": ("gauge", "Processes of this version of modelport and of Python."),
    "process_cpu_seconds_total": ("counter", "User and system CPU time."),
    "process_resident_memory_bytes": ("gauge", "Resident memory."),
    "process_virtual_memory_bytes": ("gauge", "Virtual memory."),
    "process_open_fds": ("gauge", "Open file descriptors."),
    "process_max_fds": ("gauge", "Largest allowed number of open file descriptors."),
    "process_start_time_seconds": ("gauge", "Start of the newest process since the Unix epoch."),
}
_MAXIMA = {"modelport_model_age_seconds", "process_start_time_seconds"}


class MetricsFolder:
    """The folder in which the processes of one server share their samples."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}-{uuid4().hex}.json"

    def publish(self, samples: Iterable[Sample]) -> None:
        """Write the samples of this process, atomically."""
        new = self._own.with_suffix(".new")
        new.write_text(json.dumps([*samples]), encoding="utf-8")
        new.replace(self._own)

    def others(self) -> Iterator[Sample]:
        """Return the last samples of the other processes; no gauges of those that have ended."""
        for path in sorted(self._folder.glob("*.json")):
            if path == self._own:
                continue
            alive = _is_alive(int(path.name.partition("-")[0]))
            for name, labels, value in json.loads(path.read_text(encoding="utf-8")):
                if alive or METRICS[_metric(name)][0] != "gauge":
                    yield Sample(name, tuple((key, text) for key, text in labels), value)


def process_samples() -> Iterator[Sample]:
    """Return the samples of this process that the operating system counts; none outside Linux."""
    from prometheus_client.process_collector import ProcessCollector

    for family in ProcessCollector(registry=None).collect():
        for sample in family.samples:
            yield Sample(sample.name, (), sample.value)


def exposition(samples: Iterable[Sample], accept: str = "") -> tuple[bytes, str]:
    """Return the page that a scraper accepts, and its content type.

    Samples of the same name and labels are merged.
    """
    from prometheus_client.exposition import choose_encoder

    merged: dict[str, dict[tuple[str, Labels], float]] = {name: {} for name in METRICS}
    for name, labels, value in samples:
        values = merged[_metric(name)]
        before = values.get((name, labels), 0.0)
        values[name, labels] = max(before, value) if name in _MAXIMA else before + value

    encode, content_type = choose_encoder(accept)
    return encode(_Merged(merged)), content_type


@dataclass(frozen=True, slots=True)
class _Merged:
    """A collector of `prometheus_client`: the values of each metric by sample and labels."""

    values: Mapping[str, Mapping[tuple[str, Labels], float]]

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import Metric

        for metric, values in self.values.items():
            kind, text = METRICS[metric]
            family = Metric(metric.removesuffix("_total"), text, kind)
            for (name, labels), value in values.items():
                family.add_sample(name, dict(labels), value)
            yield family


def _metric(name: str) -> str:
    """Return the metric of a sample; samples of a histogram have a suffix."""
    return name if name in METRICS else name.rpartition("_")[0]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # the process exists and belongs to another user
    return True
