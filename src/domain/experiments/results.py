"""Results of experiments: the steps, the search, diagnostics of the chosen step, and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import mean
from typing import Any, Self

from domain.data.dataset import DatasetVersion
from domain.data.feature import Vector
from domain.data.schema import Target
from domain.evaluation.diagnostics import CalibrationBand, ErrorMap, SegmentError
from domain.experiments.ladder import Plan, Step
from domain.experiments.step_selection import StepDecision, rmse_interval
from domain.training.cross_validation import CrossValidation
from domain.training.search_space import Trial
from domain.training.specification import Parameter, TrainingSpec


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of the ladder: its cross-validated errors, its cost, and whether it is taken.

    `rmse` is over all rows, from `low` to `high` by its 95% bootstrap interval; `scores` has the
    RMSE of each fold. `fit_seconds` is the mean time to fit a fold, `size` the bytes of a model,
    `row_us` the median microseconds per prediction. `parameters` are all hyper-parameters.
    """

    name: str
    tries: str
    training: TrainingSpec
    parameters: Mapping[str, Parameter]
    rmse: float
    low: float
    high: float
    scores: Sequence[float]
    fit_seconds: float
    size: int
    row_us: float
    decision: StepDecision

    @classmethod
    def of(cls, step: Step, found: CrossValidation, decision: StepDecision, target: Vector) -> Self:
        """Return the result of a cross-validated step; `target` has shape (rows,)."""
        low, high = rmse_interval(found, target)
        return cls(
            name=step.name,
            tries=step.tries,
            training=step.spec,
            parameters=found.parameters,
            rmse=found.rmse(target),
            low=low,
            high=high,
            scores=found.scores,
            fit_seconds=mean(found.seconds),
            size=found.size,
            row_us=found.row_us,
            decision=decision,
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields by their names in JSON documents."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["verdict"] = values.pop("decision")
        return values


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """The RMSE of a model that was fitted on `rows` rows."""

    rows: int
    rmse: float


@dataclass(frozen=True, slots=True)
class Importance:
    """By how much the RMSE rises when the values of a feature are shuffled."""

    feature: str
    rise: float


@dataclass(frozen=True, slots=True)
class Examination:
    """Diagnostics of the chosen step; errors are those of rows that a model was not fitted on."""

    curve: Sequence[LearningPoint]
    importance: Sequence[Importance]
    parts: Sequence[SegmentError]
    calibration: Sequence[CalibrationBand]
    map: ErrorMap | None


@dataclass(frozen=True, slots=True)
class ExperimentResults:
    """Everything that a run of experiments measured and decided.

    `rows` counts the training rows, `code` is a digest of the code that fits and predicts.
    `trials` are those of the search in all training rows, `nested` those of the searches in the
    training rows of each fold. `chosen` is the name of a step; `confirmed` is whether its
    `specification` is the one that `train` uses.
    """

    model: str
    target: Target
    data: DatasetVersion
    plan: Plan
    rows: int
    code: str
    steps: Sequence[StepResult]
    trials: Sequence[Trial]
    nested: Sequence[Sequence[Trial]]
    chosen: str
    specification: TrainingSpec
    confirmed: bool
    examined: Examination

    @property
    def chosen_step(self) -> StepResult:
        """The result of the chosen step."""
        return next(step for step in self.steps if step.name == self.chosen)


@dataclass(frozen=True, slots=True)
class SeedScore:
    """The hold-out RMSE of one seed."""

    seed: int
    rmse: float


@dataclass(frozen=True, slots=True)
class SeedResults:
    """One specification on splits by many seeds; `shares` are training, validation and hold-out."""

    data: DatasetVersion
    specification: TrainingSpec
    shares: Sequence[float]
    seeds: Sequence[SeedScore]
    mean: float
    deviation: float
    standard_error: float
