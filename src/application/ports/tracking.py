"""Ports of tracking: runs, the promotion ledger, results of experiments."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from domain.data.dataset import DatasetVersion
from domain.promotion.ledger import LedgerEntry


class Run(Protocol):
    """One tracked run."""

    @property
    def id(self) -> str:
        """How the tracker knows the run; empty where nothing is tracked."""
        ...

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record figures by name."""
        ...

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep a small file with the run."""
        ...

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record texts that are known only at the end, such as the gate's decision."""
        ...


class Tracker(Protocol):
    """Keeps a record of what was tried. Raises `Unavailable` when it cannot be reached."""

    def run(
        self, name: str, params: Mapping[str, Any], data: DatasetVersion
    ) -> AbstractContextManager[Run]:
        """Open a run; it is marked as finished on leaving, as failed on leaving by an error."""
        ...


class Ledger(Protocol):
    """An account of who became champion and why, to which entries are only ever added.

    Raises `Unavailable` when it cannot be read or written.
    """

    def append(self, entry: LedgerEntry) -> None:
        """Add an entry, wholly or not at all; afterwards it survives a crash."""
        ...

    def entries(self, model: str) -> Sequence[LedgerEntry]:
        """Return the entries about a model, in the order in which they were added.

        Raises:
            UnreadableData: something there is not an entry; says where.
        """
        ...


class ResultStore(Protocol):
    """Keeps the results of experiments as JSON documents, by names that say what they are of.

    Raises `Unavailable` when it cannot be read or written.
    """

    def get(self, name: str) -> Mapping[str, Any] | None:
        """Return a document; None where there is none, or none that is whole."""
        ...

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a document, wholly or not at all, in place of one of the same name."""
        ...
