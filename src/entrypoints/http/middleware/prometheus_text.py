"""Metrics in Prometheus' text format, added up over the processes of a server.

Each process leaves its figures in a file of its own once a second; the one that is asked adds
its own to those of the others. What a process counted that has ended meanwhile still counts.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One figure."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """Figures of one kind; those of several processes are added, or the largest is taken."""

    kind: str
    text: str
    largest: bool = False

    @property
    def momentary(self) -> bool:
        """Whether a process that has ended has nothing to tell any more."""
        return self.kind == "gauge"


FAMILIES = {
    "modelport_requests_total": MetricFamily("counter", "Requests answered, by route and status."),
    "modelport_request_seconds": MetricFamily(
        "histogram", "Time from headers to the end of the answer."
    ),
    "modelport_rows_total": MetricFamily("counter", "Rows predicted, by model version."),
    "modelport_rejects_total": MetricFamily("counter", "Values refused, by field of the schema."),
    "modelport_model_calls_total": MetricFamily(
        "counter", "Calls of the model by which requests that came together were answered."
    ),
    "modelport_reloads_total": MetricFamily(
        "counter", "Refreshes with something to do, by outcome."
    ),
    "modelport_access_log_dropped_total": MetricFamily(
        "counter", "Lines of the access log that nobody took."
    ),
    "modelport_in_flight": MetricFamily("gauge", "Requests being worked on."),
    "modelport_queue_depth": MetricFamily(
        "gauge", "Most requests that waited for one call of the model within the last second."
    ),
    "modelport_model_info": MetricFamily("gauge", "Processes that serve this model version."),
    "modelport_model_age_seconds": MetricFamily(
        "gauge", "Time since the model version was registered.", largest=True
    ),
    "modelport_ready": MetricFamily("gauge", "Processes that answer predictions."),
    "modelport_degraded": MetricFamily(
        "gauge", "Processes that may serve another version than the reference means."
    ),
    "modelport_keys_stale": MetricFamily(
        "gauge", "Processes that cannot read the API keys any more."
    ),
}


class Shared:
    """Where the processes of one server lay down their figures for each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mine = folder / f"{os.getpid()}-{uuid4().hex}.json"

    def publish(self, samples: Iterable[Sample]) -> None:
        """Lay down the figures of this process; at once, so that nobody reads a part."""
        new = self._mine.with_suffix(".new")
        new.write_text(json.dumps([*samples]), encoding="utf-8")
        new.replace(self._mine)

    def others(self) -> Iterator[Sample]:
        """Return the figures of the other processes, as they were last laid down."""
        for path in sorted(self._folder.glob("*.json")):
            if path == self._mine:
                continue
            alive = _is_alive(int(path.name.partition("-")[0]))
            for name, labels, value in json.loads(path.read_text(encoding="utf-8")):
                if alive or not FAMILIES[_family(name)].momentary:
                    yield Sample(name, tuple((key, text) for key, text in labels), value)


def render(samples: Iterable[Sample]) -> str:
    """Return the text, with the figures of the same name and labels made one."""
    merged: dict[str, dict[tuple[str, Labels], float]] = {name: {} for name in FAMILIES}
    for name, labels, value in samples:
        family = _family(name)
        known = merged[family]
        before = known.get((name, labels), 0.0)
        largest = FAMILIES[family].largest
        known[name, labels] = max(before, value) if largest else before + value
    return "".join(_lines(merged))


def _lines(merged: dict[str, dict[tuple[str, Labels], float]]) -> Iterator[str]:
    for family, figures in merged.items():
        yield f"# HELP {family} {FAMILIES[family].text}\n"
        yield f"# TYPE {family} {FAMILIES[family].kind}\n"
        for (name, labels), value in figures.items():
            yield f"{name}{_written(labels)} {value:.17g}\n"


def _written(labels: Labels) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _family(name: str) -> str:
    return name if name in FAMILIES else name.rpartition("_")[0]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's, but it is
    return True
