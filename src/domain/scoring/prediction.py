"""Options of a prediction, and the rule that a prediction is a finite number."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from domain.data.feature import Vector
from domain.errors import Violation

_FEW = 32


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """Optional results of a prediction: intervals at a level, features that extrapolate."""

    interval: float | None = None
    extrapolates: bool = False


PLAIN = PredictionOptions()


def non_finite(predictions: Vector) -> tuple[Violation, ...]:
    """Return one violation per prediction that is not finite: the arithmetic overflowed."""
    if len(predictions) <= _FEW and all(map(isfinite, predictions.tolist())):
        return ()  # ten times faster than numpy for a few rows
    finite = np.isfinite(predictions)
    if finite.all():
        return ()
    problem, allowed = "has no finite prediction", "values nearer to those of the training rows"
    return tuple(Violation(int(row), "", problem, allowed) for row in np.flatnonzero(~finite))
