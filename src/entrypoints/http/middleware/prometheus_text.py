"""Metrics in Prometheus' text format, merged over the processes of a server.

Each process writes its samples to a file of its own once a second. The process that answers
merges them with its own samples. Counters of a process that has ended are kept.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    labels: Labels
    value: float


# Kind and help text by name. Values of several processes are added, with one exception.
_METRICS = {
    "modelport_requests_total": ("counter", "Requests, by route and status."),
    "modelport_request_seconds": (
        "histogram",
        "Time from the headers of a request to the end of its response.",
    ),
    "modelport_rows_total": ("counter", "Predicted rows, by model version."),
    "modelport_rejects_total": ("counter", "Rejected values, by field of the schema."),
    "modelport_model_calls_total": ("counter", "Calls of the model by adaptive batching."),
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
}
_MAXIMUM = "modelport_model_age_seconds"


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
                if alive or _METRICS[_metric(name)][0] != "gauge":
                    yield Sample(name, tuple((key, text) for key, text in labels), value)


def render(samples: Iterable[Sample]) -> str:
    """Return the text, with samples of the same name and labels merged."""
    merged: dict[str, dict[tuple[str, Labels], float]] = {name: {} for name in _METRICS}
    for name, labels, value in samples:
        values = merged[_metric(name)]
        before = values.get((name, labels), 0.0)
        values[name, labels] = max(before, value) if name == _MAXIMUM else before + value
    return "".join(_lines(merged))


def _lines(merged: dict[str, dict[tuple[str, Labels], float]]) -> Iterator[str]:
    for metric, values in merged.items():
        kind, text = _METRICS[metric]
        yield f"# HELP {metric} {text}\n# TYPE {metric} {kind}\n"
        for (name, labels), value in values.items():
            quoted = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
            yield f"{name}{f'{{{quoted}}}' if quoted else ''} {value:.17g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _metric(name: str) -> str:
    """Return the metric of a sample; samples of a histogram have a suffix."""
    return name if name in _METRICS else name.rpartition("_")[0]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # the process exists and belongs to another user
    return True
