"""What a report on experiments is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Opening:
    """One candidate that was judged by the hold-out: a registered version, and its RMSE there."""

    model: str
    training: Mapping[str, Any]
    rmse: float
    aliases: tuple[str, ...] = ()

    def is_of(self, training: Mapping[str, Any]) -> bool:
        """Whether it was trained by a specification; parameters not named there are defaults."""
        same = all(
            self.training.get(name) == training.get(name)
            for name in ("estimator", "features", "holdout", "seed")
        )
        own = self.training.get("parameters", {})
        return same and all(own.get(n) == v for n, v in training["parameters"].items())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a report is made of; what is None or empty has not been found out yet.

    `results` and `seeds` are the documents of `RunExperiments` and `TrySeeds`, `openings` all
    candidates that were judged by the same hold-out, oldest first, and `uncertainty` what the
    manifest of the version in use says of its intervals.
    """

    results: Mapping[str, Any]
    openings: Sequence[Opening] = ()
    seeds: Mapping[str, Any] | None = None
    uncertainty: Mapping[str, Any] | None = None

    @property
    def unit(self) -> str:
        """The unit of the target in brackets, after a space; empty where it has none."""
        unit = self.results["target"]["unit"]
        return f" ({unit})" if unit else ""

    @property
    def money(self) -> str:
        """The unit of the target after a space; empty where it has none."""
        unit = self.results["target"]["unit"]
        return f" {unit}" if unit else ""

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The step that was chosen."""
        steps: list[Mapping[str, Any]] = self.results["steps"]
        return next(step for step in steps if step["name"] == self.results["chosen"])

    def opened_by(self, step: Mapping[str, Any]) -> Opening | None:
        """Return the last candidate that a step's specification was judged as, if it was."""
        found = [opening for opening in self.openings if opening.is_of(step["training"])]
        return found[-1] if found else None


def amount(value: float) -> str:
    """Return a figure in words: without a fraction from ten on."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}"
