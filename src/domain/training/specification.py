"""The specification: everything that, with the data, determines a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import Any, Self, TypeAlias

from domain.data.schema import Schema
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet

Parameter: TypeAlias = bool | int | float | str | None


class Estimator(StrEnum):
    """The kinds of model that can be trained, from the simplest to the default."""

    DUMMY = "dummy"
    LINEAR = "linear"
    RIDGE = "ridge"
    TREE = "tree"
    RANDOM_FOREST = "random_forest"
    HIST_GRADIENT_BOOSTING = "hist_gradient_boosting"


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """An estimator, its hyper-parameters that differ from the defaults, split and seed.

    Without `features`, `for_schema` chooses them by estimator and schema.
    """

    estimator: Estimator = Estimator.HIST_GRADIENT_BOOSTING
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    split: Split = field(default_factory=Split)
    features: FeatureSet | None = None

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if isinstance(value, float) and not isfinite(value):
                raise Misconfigured(f"{self.estimator}: {name}: {value} is not a finite number")
        object.__setattr__(self, "parameters", dict(sorted(self.parameters.items())))

    @property
    def seed(self) -> int:
        """The one seed of split and estimator."""
        return self.split.seed

    def for_schema(self, schema: Schema) -> Self:
        """Return the specification with the feature set filled in.

        The default is spatial features for gradient boosting on rows with coordinates.

        Raises:
            Misconfigured: the features are spatial, and the schema has no coordinates.
        """
        if self.features is FeatureSet.SPATIAL and schema.coordinates is None:
            raise Misconfigured(
                f"features spatial: schema {schema.name!r} has no [coordinates]; "
                f"allowed: {FeatureSet.PLAIN}"
            )
        if self.features is not None:
            return self
        boosting = self.estimator is Estimator.HIST_GRADIENT_BOOSTING
        spatial = boosting and schema.coordinates is not None
        return replace(self, features=FeatureSet.SPATIAL if spatial else FeatureSet.PLAIN)

    def to_mapping(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        return {
            "estimator": self.estimator.value,
            "parameters": dict(self.parameters),
            "features": None if self.features is None else self.features.value,
            "holdout": self.split.holdout,
            "validation": self.split.validation,
            "seed": self.split.seed,
        }
