"""What counts as a prediction: a finite number."""

import numpy as np

from domain.errors import Violation
from domain.feature import Vector


def unanswered(predictions: Vector) -> tuple[Violation, ...]:
    """Return the rows, as a rule none, whose values are so extreme that the model overflowed."""
    finite = np.isfinite(predictions)
    if finite.all():
        return ()
    problem, allowed = "has no finite prediction", "values nearer to those the model learnt from"
    return tuple(Violation(int(row), "", problem, allowed) for row in np.flatnonzero(~finite))
