"""Why each step of a ladder was taken or refused: by rule, from paired comparisons, in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from domain.data.feature import Vector
from domain.evaluation.bootstrap import Resampling, difference
from domain.training.cross_validation import CrossValidation


@dataclass(frozen=True, slots=True)
class RmseChange:
    """The RMSE of a step less that of the step it is compared with, and its confidence interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StepDecision:
    """Whether a step was taken; `against` is the best step before it, if there was one."""

    taken: bool
    words: str
    against: str | None = None
    difference: RmseChange | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_mapping` wrote."""
        found = mapping["difference"]
        return cls(**{**mapping, "difference": found and RmseChange(**found)})


def judge(
    found: CrossValidation,
    best: tuple[str, CrossValidation] | None,
    target: Vector,
    unit: str = "",
    resampling: Resampling | None = None,
) -> StepDecision:
    """Compare a step with the last one that was taken, on the same rows, shape (rows,).

    It is taken if its RMSE is lower and the interval of the difference excludes zero. So a
    plainer model stays where a more elaborate one cannot be told from it.
    """
    if best is None:
        return StepDecision(True, "taken: the first step, which every other one has to beat")
    return _compare(found, best, target, unit, resampling or Resampling())


def rmse_interval(
    found: CrossValidation, target: Vector, resampling: Resampling | None = None
) -> tuple[float, float]:
    """Return the interval in which the RMSE of a step would lie on other rows."""
    resampling = resampling or Resampling()
    means = resampling.means(found.squared(target)[:, np.newaxis])
    return resampling.interval(np.sqrt(means[:, 0]))


def _compare(
    found: CrossValidation,
    best: tuple[str, CrossValidation],
    target: Vector,
    unit: str,
    resampling: Resampling,
) -> StepDecision:
    against, theirs = best
    change = difference(found.squared(target), theirs.squared(target), resampling)
    taken = change.high < 0
    money = f" {unit}" if unit else ""
    sure = f"{resampling.confidence:.0%} interval"
    low, high = sorted((abs(change.low), abs(change.high)))
    if taken or change.low > 0:
        verb = "taken: lowers" if taken else "refused: raises"
        words = (
            f"{verb} the RMSE of {against} by {_amount(abs(change.estimate))}{money} "
            f"({sure} {_amount(low)} to {_amount(high)}), {_cost(found.row_us - theirs.row_us)}"
        )
    elif change.low == change.high == 0:
        words = f"refused: it answers like {against}, row by row"
    else:
        words = (
            f"refused: it cannot be told from {against}; the {sure} of the difference, "
            f"{_amount(change.low)} to {_amount(change.high)}{money}, includes zero"
        )
    found_change = RmseChange(change.estimate, change.low, change.high)
    return StepDecision(taken, words, against, found_change)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}"


def _cost(microseconds: float) -> str:
    if abs(microseconds) < 1:
        return "at the same time per row"
    return f"at {abs(microseconds):,.0f} µs {'more' if microseconds > 0 else 'less'} per row"
