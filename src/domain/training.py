"""What to train: everything that, with the data, determines a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, TypeAlias

from domain.dataset import Split
from domain.errors import Misconfigured

Parameter: TypeAlias = bool | int | float | str | None


class Estimator(StrEnum):
    """The kinds of model that can be trained, from the plainest to the default."""

    DUMMY = "dummy"
    LINEAR = "linear"
    RIDGE = "ridge"
    TREE = "tree"
    RANDOM_FOREST = "random_forest"
    HIST_GRADIENT_BOOSTING = "hist_gradient_boosting"


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """An estimator, its hyper-parameters where they differ from the defaults, split and seed."""

    estimator: Estimator = Estimator.HIST_GRADIENT_BOOSTING
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    split: Split = field(default_factory=Split)

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if isinstance(value, float) and not isfinite(value):
                raise Misconfigured(f"{self.estimator}: {name}: {value} is not a finite number")
        ordered = dict(sorted(self.parameters.items()))
        object.__setattr__(self, "parameters", MappingProxyType(ordered))

    @property
    def seed(self) -> int:
        """The one seed of split and estimator."""
        return self.split.seed

    def to_mapping(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        return {
            "estimator": self.estimator.value,
            "parameters": dict(self.parameters),
            "holdout": self.split.holdout,
            "seed": self.split.seed,
        }
