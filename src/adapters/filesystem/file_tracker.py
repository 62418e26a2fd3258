"""A tracker in a directory: one line of JSON per run."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.files.atomic_writes import (
    append_line,
    os_errors_as_unavailable,
    plain_name,
    replace_file,
)
from adapters.files.locks import locked
from application.ports import RunOrigin, add_params, end_of
from domain.data.dataset import DatasetVersion
from domain.errors import Unavailable


@dataclass(slots=True)
class FileRun:
    """A `Run` that is recorded when it ends; its artifacts are written at once."""

    id: str
    folder: Path
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.params = add_params(self.params, params)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self.metrics.update(metrics)

    def log_artifact(self, name: str, content: bytes) -> None:
        path = self.folder / plain_name(name)
        with os_errors_as_unavailable(path):
            replace_file(path, content)
        if name not in self.artifacts:
            self.artifacts.append(name)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.tags.update(tags)


class FileTracker:
    """A `Tracker` that threads and processes of one machine may share.

    runs.jsonl                 a line per run that ended, in the order in which they ended
    artifacts/<run id>/…       the files kept with a run
    """

    def __init__(
        self,
        root: Path,
        origin: RunOrigin | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._root = root
        self._origin = origin or RunOrigin()
        self._runs = root / "runs.jsonl"
        self._clock = clock
        self._new_id = new_id

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[FileRun]:
        identifier = self._new_id()
        run = FileRun(identifier, self._root / "artifacts" / plain_name(identifier), dict(params))
        run.log_tags(self._origin.to_tags())
        about = {key: value for key, value in (("title", title), ("parent", parent)) if value}
        opened = {"id": run.id, "name": name, **about, "started": self._time()}
        try:
            self._require_writable()
            yield run
        except BaseException as error:
            failure = {"status": end_of(error), "error": f"{type(error).__name__}: {error}"}
            try:
                self._append(run, opened | failure, data)
            except Unavailable as unavailable:
                error.add_note(f"and the run could not be recorded: {unavailable}")
            raise
        self._append(run, opened | {"status": "finished"}, data)

    def _require_writable(self) -> None:
        """Raise `Unavailable` at the start of a run that could not be recorded at its end."""
        with os_errors_as_unavailable(self._runs):
            self._root.mkdir(parents=True, exist_ok=True)
            self._runs.open("ab").close()

    def _append(self, run: FileRun, entry: Mapping[str, Any], data: DatasetVersion) -> None:
        recorded = {
            **entry,
            "params": run.params,
            "data": data.to_mapping(),
            "ended": self._time(),
            "metrics": {k: v if isfinite(v) else str(v) for k, v in run.metrics.items()},
            "tags": run.tags,
            "artifacts": run.artifacts,
        }
        line = json.dumps(recorded, ensure_ascii=False, default=str).encode()
        with os_errors_as_unavailable(self._runs), locked(self._root / ".lock"):
            append_line(self._runs, line)

    def _time(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
