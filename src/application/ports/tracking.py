"""Ports of tracking: runs, the promotion ledger, results of experiments."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from domain.data.dataset import DatasetVersion
from domain.promotion.ledger import LedgerEntry

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """Who starts the runs of this process, and the git revision of its code; empty if unknown."""

    user: str = ""
    commit: str = ""
    branch: str = ""

    def to_tags(self) -> dict[str, str]:
        """Return what is known, by name."""
        named = {"user": self.user, "git.commit": self.commit, "git.branch": self.branch}
        return {name: value for name, value in named.items() if value}


def add_params(recorded: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded parameters and the new ones of `more`, also in nested mappings."""
    nested = {
        name: add_params(value, more[name])
        for name, value in recorded.items()
        if isinstance(value, Mapping) and isinstance(more.get(name), Mapping)
    }
    return {**more, **recorded, **nested}


class Run(Protocol):
    """One tracked run."""

    @property
    def id(self) -> str:
        """The tracker's id of the run; empty if nothing is tracked."""
        ...

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters that are known only now; a recorded one keeps its value."""
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
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> AbstractContextManager[Run]:
        """Open a run of a model, as part of the run with the id `parent` if there is one.

        The title tells a reader what ran. The run is marked as finished at the end, else as
        `end_of` the error says.
        """
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
