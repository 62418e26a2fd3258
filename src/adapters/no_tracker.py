"""A tracker that records nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from domain.data.dataset import DatasetVersion


class NoRun:
    """A `Run` that keeps nothing."""

    id = ""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Ignore the parameters."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Ignore the metrics."""

    def log_artifact(self, name: str, content: bytes) -> None:
        """Ignore the file."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Ignore the tags."""


class NoTracker:
    """A `Tracker` that records nothing."""

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[NoRun]:
        del name, params, data, title, parent
        yield NoRun()
