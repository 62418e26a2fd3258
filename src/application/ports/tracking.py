"""Ports of tracking: runs, the promotion ledger, results of experiments."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeVar

from domain.data.dataset import DatasetVersion
from domain.promotion.ledger import LedgerEntry

Result = TypeVar("Result")


class Run(Protocol):
    """One tracked run."""

    @property
    def id(self) -> str:
        """The tracker's id of the run; empty if nothing is tracked."""
        ...

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record metrics by name."""
        ...

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep a small file with the run."""
        ...

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record texts by name, such as the decision on promotion."""
        ...


class Tracker(Protocol):
    """Records training runs. Raises `Unavailable` if it cannot be reached."""

    def run(
        self, name: str, params: Mapping[str, Any], data: DatasetVersion
    ) -> AbstractContextManager[Run]:
        """Open a run; it is marked as finished at the end, else as `end_of` the error says."""
        ...


def end_of(error: BaseException) -> Literal["failed", "killed"]:
    """Return how a run ended that was left by an error: killed by Ctrl-C or SIGTERM, or failed."""
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


class Ledger(Protocol):
    """The append-only record of promotion decisions.

    Raises `Unavailable` when it cannot be read or written.
    """

    def append(self, entry: LedgerEntry) -> None:
        """Append an entry, completely or not at all; afterwards it survives a crash."""
        ...

    def entries(self, model: str) -> Sequence[LedgerEntry]:
        """Return the entries of a model, oldest first; a promotion that has ended has one.

        Raises:
            UnreadableData: a line is not an entry; names file and line.
        """
        ...


class ResultStore(Protocol):
    """Keeps the results of experiments by name.

    Raises `Unavailable` when it cannot be read or written.
    """

    def get(self, name: str, form: type[Result]) -> Result | None:
        """Return an object of type `form`; None if it is missing, incomplete or of other form."""
        ...

    def put(self, name: str, document: object) -> None:
        """Write nested dataclasses, mappings and lists, completely or not at all."""
        ...
