import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, TypeVar

from adapters.filesystem.file_ledger import LEDGER_ENTRY
from adapters.formats.experiment_results import decode_result, encode_result
from application.ports import RunOrigin, add_params, end_of
from domain.data.dataset import DatasetVersion
from domain.errors import (
    Unavailable,
)
from domain.promotion.ledger import LedgerEntry, without_ended

Result = TypeVar("Result")


@dataclass(slots=True)
class MemoryRun:
    """A `Run`, and all that was recorded of it."""

    id: str
    name: str
    params: Mapping[str, Any]
    data: DatasetVersion
    status: Literal["running", "finished", "failed", "killed"] = "running"
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    title: str = ""
    parent: str = ""

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.params = add_params(self.params, params)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self.metrics.update(metrics)

    def log_artifact(self, name: str, content: bytes) -> None:
        self.artifacts[name] = content

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.tags.update(tags)


class MemoryTracker:
    """A `Tracker` whose `runs` can be looked at, oldest first."""

    def __init__(self, origin: RunOrigin | None = None) -> None:
        self.runs: list[MemoryRun] = []
        self._origin = origin or RunOrigin()
        self._lock = Lock()

    @property
    def outer(self) -> list[MemoryRun]:
        """The runs that are not part of another one."""
        return [run for run in self.runs if not run.parent]

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[MemoryRun]:
        with self._lock:
            run = MemoryRun(f"run-{len(self.runs) + 1}", name, dict(params), data)
            run.title, run.parent = title, parent
            run.log_tags(self._origin.to_tags())
            self.runs.append(run)
        try:
            yield run
        except BaseException as error:
            run.status = end_of(error)
            raise
        run.status = "finished"


class MemoryLedger:
    """A `Ledger`; `problem` makes it one that cannot be written, `room` lets it become full."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.problem = ""
        self.room: int | None = None

    def append(self, entry: LedgerEntry) -> None:
        if self.problem or self.room == 0:
            raise Unavailable(self.problem or "the ledger is full")
        if self.room is not None:
            self.room -= 1
        self._lines.append(entry.to_line())

    def entries(self, model: str) -> list[LedgerEntry]:
        found = [LEDGER_ENTRY.json(line, "memory") for line in self._lines]
        return without_ended([entry for entry in found if entry.model == model])


class MemoryResults:
    """A `ResultStore`, whose documents go through JSON as they would on disk."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def get(self, name: str, form: type[Result]) -> Result | None:
        return decode_result(self.texts[name], form) if name in self.texts else None

    def put(self, name: str, document: object) -> None:
        self.texts[name] = encode_result(document)

    def document(self, name: str) -> dict[str, Any]:
        """Return a stored document as JSON values."""
        document: dict[str, Any] = json.loads(self.texts[name])
        return document
