"""A search for hyper-parameters: where to look, and what was found there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from domain.errors import Misconfigured
from domain.training.specification import Parameter

Number: TypeAlias = int | float


@dataclass(frozen=True, slots=True)
class Dimension:
    """The values that one hyper-parameter may take, from `low` to `high`.

    They are whole numbers where `low` is one; with `log` steps are alike in proportion.
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
        """Whether the values are whole numbers."""
        return isinstance(self.low, int)

    def holds(self, value: Number) -> bool:
        """Whether a value is one of them."""
        return self.low <= value <= self.high and (not self.whole or isinstance(value, int))


Space: TypeAlias = Mapping[str, Dimension]


@dataclass(frozen=True, slots=True)
class Trial:
    """Hyper-parameters that were tried, and the error they led to."""

    parameters: Mapping[str, Parameter]
    score: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def to_mapping(self) -> dict[str, Any]:
        """Return the trial as JSON values."""
        return {"parameters": dict(self.parameters), "rmse": self.score}

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read back what `to_mapping` made."""
        return cls(mapping["parameters"], float(mapping["rmse"]))


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the lowest error, the first of equals.

    Raises:
        Misconfigured: nothing was tried.
    """
    if not trials:
        raise Misconfigured("a search without trials finds nothing; allowed: a budget of 1 or more")
    return min(trials, key=lambda trial: trial.score)
