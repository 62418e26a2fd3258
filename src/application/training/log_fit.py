"""Log metrics of the training rows and of cross-validation folds to a tracker."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray

from application.ports import Run
from domain.data.feature import Vector
from domain.errors import InvalidData
from domain.evaluation.metrics import measure


def log_measured(run: Run, target: Vector, predictions: Vector, prefix: str = "") -> None:
    """Log the metrics, each name with the prefix; nothing if they are undefined."""
    try:
        metrics = measure(target, predictions)
    except InvalidData:  # the target of a few rows may be constant
        return
    run.log_metrics({f"{prefix}{name}": value for name, value in metrics.to_mapping().items()})


def log_folds(
    run: Run,
    open_fold: Callable[[int], AbstractContextManager[Run]],
    target: Vector,
    out_of_fold: Vector,
    folds: Iterable[NDArray[Any]],
) -> None:
    """Log the metrics of all out-of-fold predictions, and of each fold in a run of its own.

    `folds` has the rows of each fold as a mask or as positions; `open_fold` opens the run of the
    n-th fold, from 1.
    """
    log_measured(run, target, out_of_fold, "cv_")
    for number, rows in enumerate(folds, 1):
        with open_fold(number) as fold:
            log_measured(fold, target[rows], out_of_fold[rows])
