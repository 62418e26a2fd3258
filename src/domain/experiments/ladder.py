"""Experiments: a ladder of models, each step tried against the best one below it."""

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from domain.data.schema import Schema
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.cross_validation import Folding
from domain.training.search_space import Dimension, Space
from domain.training.specification import Estimator, TrainingSpec

SEARCH = "search"
CHAMPION = "champion"

# Where the search looks. The number of trees is the champion's: more are slower, hardly better.
SPACE: Space = {
    "learning_rate": Dimension(0.03, 0.12, log=True),
    "max_leaf_nodes": Dimension(15, 95, log=True),
    "min_samples_leaf": Dimension(10, 120, log=True),
    "max_features": Dimension(0.15, 0.6),
    "l2_regularization": Dimension(0.1, 30.0, log=True),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One model on the ladder; `tries` says in words what is new in it."""

    name: str
    tries: str
    spec: TrainingSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """How experiments are done; `budget` is the number of trials of the search.

    The search is nested: one is made in the training rows of each fold, and one in all rows, which
    gives the candidate. It has folds of its own in these: fewer, since it fits often.
    """

    split: Split = field(default_factory=Split)
    folding: Folding = field(default_factory=Folding)
    budget: int = 10
    inner: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.budget <= 1000:
            raise Misconfigured(f"budget: {self.budget} is not from 1 to 1000 trials")

    @property
    def searching(self) -> Folding:
        """The folds of a search, among the rows that it is given."""
        return Folding(self.inner, (self.folding.seed + 1) % 2**32)

    def to_mapping(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "holdout": self.split.holdout,
            "seed": self.folding.seed,
            "folds": self.folding.count,
            "budget": self.budget,
            "search_folds": self.inner,
        }


def ladder(schema: Schema, champion: TrainingSpec) -> tuple[Step, ...]:
    """Return the steps from the plainest model to the champion, but for the search."""
    split = champion.split

    def of(estimator: Estimator) -> TrainingSpec:
        return TrainingSpec(estimator, split=split, features=FeatureSet.PLAIN)

    steps = [
        Step("dummy", "the mean of the target, whatever the row", of(Estimator.DUMMY)),
        Step("linear", "a weighted sum of the columns", of(Estimator.LINEAR)),
        Step("ridge", "the same with a penalty on large weights", of(Estimator.RIDGE)),
        Step("tree", "one tree of questions", of(Estimator.TREE)),
        Step("random_forest", "the mean of many trees", of(Estimator.RANDOM_FOREST)),
        Step(
            "boosting",
            "trees that each correct the ones before",
            of(Estimator.HIST_GRADIENT_BOOSTING),
        ),
    ]
    if schema.coordinates is not None:
        spatial = replace(of(Estimator.HIST_GRADIENT_BOOSTING), features=FeatureSet.SPATIAL)
        tries = "boosting that also knows what the nearest training rows cost and are like"
        steps.append(Step("spatial", tries, spatial))
    settled = champion.for_schema(schema)
    if settled not in [step.spec for step in steps]:
        steps.append(Step(CHAMPION, "the specification that `train` uses", settled))
    return tuple(steps)


def key(kind: str, **facts: Any) -> str:
    """Return a name that is the same for the same facts and no others; facts are JSON values."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{kind}-{sha256(text.encode()).hexdigest()[:16]}"
