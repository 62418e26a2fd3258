"""Step selection: whether a step of the ladder is taken, by paired comparison, and the reason."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.data.feature import Vector
from domain.evaluation.bootstrap import Resampling, difference
from domain.numbers import rounded
from domain.training.cross_validation import CrossValidation


@dataclass(frozen=True, slots=True)
class RmseChange:
    """The RMSE of a step less that of the step it is compared with, and its confidence interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StepDecision:
    """Whether a step is taken; `against` is the step it is compared with, None for the first."""

    taken: bool
    reason: str
    against: str | None = None
    difference: RmseChange | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields by their names in JSON documents."""
        return {
            "taken": self.taken,
            "words": self.reason,
            "against": self.against,
            "difference": self.difference,
        }


def select_step(
    found: CrossValidation,
    best: tuple[str, CrossValidation] | None,
    target: Vector,
    unit: str = "",
    resampling: Resampling | None = None,
) -> StepDecision:
    """Compare a step with the last one that was taken, on the same rows, shape (rows,).

    It is taken if its RMSE is lower and the confidence interval of the difference excludes zero;
    otherwise the simpler step stays.
    """
    if best is None:
        return StepDecision(True, "taken: the first step, the baseline of all others")
    resampling = resampling or Resampling()
    against, theirs = best
    change = difference(found.squared(target), theirs.squared(target), resampling)
    taken = change.high < 0
    of_unit = f" {unit}" if unit else ""
    interval = f"{resampling.confidence:.0%} interval"
    low, high = sorted((abs(change.low), abs(change.high)))
    if taken or change.low > 0:
        verb = "taken: lowers" if taken else "refused: raises"
        reason = (
            f"{verb} the RMSE of {against} by {rounded(abs(change.estimate))}{of_unit} "
            f"({interval} {rounded(low)} to {rounded(high)}), {_cost(found.row_us - theirs.row_us)}"
        )
    elif change.low == change.high == 0:
        reason = f"refused: its errors equal those of {against}, row by row"
    else:
        reason = (
            f"refused: not significantly different from {against}; the {interval} of the "
            f"difference, {rounded(change.low)} to {rounded(change.high)}{of_unit}, includes zero"
        )
    found_change = RmseChange(change.estimate, change.low, change.high)
    return StepDecision(taken, reason, against, found_change)


def rmse_interval(
    found: CrossValidation, target: Vector, resampling: Resampling | None = None
) -> tuple[float, float]:
    """Return the confidence interval of the RMSE of a step, by bootstrap over rows."""
    resampling = resampling or Resampling()
    means = resampling.means(found.squared(target)[:, np.newaxis])
    return resampling.interval(np.sqrt(means[:, 0]))


def _cost(microseconds: float) -> str:
    if abs(microseconds) < 1:
        return "at the same time per row"
    return f"at {abs(microseconds):,.0f} µs {'more' if microseconds > 0 else 'less'} per row"
