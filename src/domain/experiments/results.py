"""Results of experiments: the steps, the search, diagnostics of the chosen step, and seeds.

They are stored as JSON documents; `to_mapping` and `from_mapping` are their format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any, Self

from domain.data.dataset import DatasetVersion
from domain.data.feature import Vector
from domain.data.split import Split
from domain.evaluation.diagnostics import CalibrationBand, ErrorMap, SegmentError
from domain.experiments.ladder import Plan, Step
from domain.experiments.step_selection import StepDecision, rmse_interval
from domain.features.feature_set import FeatureSet
from domain.training.cross_validation import CrossValidation, Folding
from domain.training.search_space import Trial
from domain.training.specification import Estimator, Parameter, TrainingSpec


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
        """Return it as JSON values."""
        return {
            "name": self.name,
            "tries": self.tries,
            "training": self.training.to_mapping(),
            "parameters": dict(self.parameters),
            "rmse": self.rmse,
            "low": self.low,
            "high": self.high,
            "scores": list(self.scores),
            "fit_seconds": self.fit_seconds,
            "size": self.size,
            "row_us": self.row_us,
            "verdict": self.decision.to_mapping(),
        }

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_mapping` wrote."""
        known = {name: value for name, value in mapping.items() if name != "verdict"}
        known["training"] = _specification(mapping["training"])
        return cls(**known, decision=StepDecision.from_mapping(mapping["verdict"]))


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

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_mapping` wrote."""
        cells = mapping["map"]
        return cls(
            [LearningPoint(**each) for each in mapping["curve"]],
            [Importance(**each) for each in mapping["importance"]],
            [SegmentError(**each) for each in mapping["parts"]],
            [CalibrationBand(**each) for each in mapping["calibration"]],
            None if cells is None else ErrorMap(**cells),
        )


@dataclass(frozen=True, slots=True)
class ExperimentResults:
    """Everything that a run of experiments measured and decided.

    `rows` counts the training rows, `code` is a digest of the code that fits and predicts.
    `trials` are those of the search in all training rows, `nested` those of the searches in the
    training rows of each fold. `confirmed` says whether `specification`, that of the chosen step,
    is the one that `train` uses.
    """

    model: str
    target: str
    unit: str
    data: DatasetVersion
    plan: Plan
    rows: int
    code: str
    steps: Sequence[StepResult]
    trials: Sequence[Trial]
    nested: Sequence[Sequence[Trial]]
    chosen: StepResult
    specification: TrainingSpec
    confirmed: bool
    examined: Examination

    def to_mapping(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "model": self.model,
            "target": {"name": self.target, "unit": self.unit},
            "data": self.data.to_mapping(),
            "plan": self.plan.to_mapping(),
            "rows": self.rows,
            "code": self.code,
            "steps": [step.to_mapping() for step in self.steps],
            "trials": [trial.to_mapping() for trial in self.trials],
            "nested": [[trial.to_mapping() for trial in trials] for trials in self.nested],
            "chosen": self.chosen.name,
            "specification": self.specification.to_mapping(),
            "confirmed": self.confirmed,
            "examined": self.examined.to_mapping(),
        }

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_mapping` wrote."""
        target, plan = mapping["target"], mapping["plan"]
        steps = [StepResult.from_mapping(each) for each in mapping["steps"]]
        return cls(
            model=mapping["model"],
            target=target["name"],
            unit=target["unit"],
            data=DatasetVersion(**mapping["data"]),
            plan=Plan(
                Split(plan["holdout"], plan["seed"]),
                Folding(plan["folds"], plan["seed"]),
                plan["budget"],
                plan["search_folds"],
            ),
            rows=mapping["rows"],
            code=mapping["code"],
            steps=steps,
            trials=[*map(Trial.from_mapping, mapping["trials"])],
            nested=[[*map(Trial.from_mapping, trials)] for trials in mapping["nested"]],
            chosen=next(step for step in steps if step.name == mapping["chosen"]),
            specification=_specification(mapping["specification"]),
            confirmed=mapping["confirmed"],
            examined=Examination.from_mapping(mapping["examined"]),
        )


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

    def to_mapping(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "data": self.data.to_mapping(),
            "specification": self.specification.to_mapping(),
            "shares": list(self.shares),
            "seeds": [asdict(each) for each in self.seeds],
            "mean": self.mean,
            "deviation": self.deviation,
            "standard_error": self.standard_error,
        }

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_mapping` wrote."""
        known = {
            "data": DatasetVersion(**mapping["data"]),
            "specification": _specification(mapping["specification"]),
            "seeds": [SeedScore(**each) for each in mapping["seeds"]],
        }
        return cls(**{**mapping, **known})


def _specification(mapping: Mapping[str, Any]) -> TrainingSpec:
    """Read what `TrainingSpec.to_mapping` wrote."""
    features = mapping["features"]
    return TrainingSpec(
        Estimator(mapping["estimator"]),
        mapping["parameters"],
        Split(mapping["holdout"], mapping["seed"], mapping["validation"]),
        None if features is None else FeatureSet(features),
    )
