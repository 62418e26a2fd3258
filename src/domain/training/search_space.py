"""The search space of hyper-parameters, and the trials of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from domain.errors import Misconfigured
from domain.training.specification import Parameter

Number: TypeAlias = int | float


@dataclass(frozen=True, slots=True)
class Dimension:
    """The values that one hyper-parameter may take, from `low` to `high`.

    They are integers if `low` is one; with `log`, the search is on a logarithmic scale.
    """

    low: Number
    high: Number
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise Misconfigured(
                f"search from {self.low} to {self.high}: not from a lower to a higher number"
                + (", both above 0" if self.log else "")
            )

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int)

    def holds(self, value: Number) -> bool:
        """Whether this value is allowed."""
        return self.low <= value <= self.high and (not self.whole or isinstance(value, int))


Space: TypeAlias = Mapping[str, Dimension]


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of hyper-parameters with its cross-validated error."""

    parameters: Mapping[str, Parameter]
    rmse: float


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest error, the first of equals.

    Raises:
        Misconfigured: there are no trials.
    """
    if not trials:
        raise Misconfigured("a search without trials finds nothing; allowed: a budget of 1 or more")
    return min(trials, key=lambda trial: trial.rmse)
