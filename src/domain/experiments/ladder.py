"""The ladder of models: each step is compared with the best one before it."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from domain.canonical_json import json_value
from domain.data.schema import Schema
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.cross_validation import Folding
from domain.training.search_space import Dimension, Space
from domain.training.specification import Estimator, TrainingSpec

SEARCH = "search"
CHAMPION = "champion"

# The number of trees is not searched: more than the champion's are slower and hardly better.
SPACE: Space = {
    "learning_rate": Dimension(0.03, 0.12, log=True),
    "max_leaf_nodes": Dimension(15, 95, log=True),
    "min_samples_leaf": Dimension(10, 120, log=True),
    "max_features": Dimension(0.15, 0.6),
    "l2_regularization": Dimension(0.1, 30.0, log=True),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One model of the ladder; `tries` describes what is new in it."""

    name: str
    tries: str
    spec: TrainingSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of experiments; `budget` is the number of trials of each search.

    The search is nested: one in the training rows of each fold, and one in all rows, which gives
    the candidate. A search has `search_folds` folds of its own in the rows it is given.
    """

    holdout: float = 0.2
    seed: int = 42
    folds: int = 5
    budget: int = 10
    search_folds: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.budget <= 1000:
            raise Misconfigured(f"budget: {self.budget} is not from 1 to 1000 trials")

    @property
    def split(self) -> Split:
        """The split into training rows and hold-out."""
        return Split(self.holdout, self.seed)

    @property
    def folding(self) -> Folding:
        """The folds of the training rows."""
        return Folding(self.folds, self.seed)

    @property
    def search_folding(self) -> Folding:
        """The folds of a search, among the rows that it is given."""
        return Folding(self.search_folds, (self.seed + 1) % 2**32)


def ladder(schema: Schema, champion: TrainingSpec) -> tuple[Step, ...]:
    """Return the steps from the simplest model to the champion, without the search."""
    plain = TrainingSpec(split=champion.split, features=FeatureSet.PLAIN)
    steps = [
        Step(estimator.value, tries, replace(plain, estimator=estimator))
        for estimator, tries in (
            (Estimator.DUMMY, "the mean of the target for every row"),
            (Estimator.LINEAR, "a weighted sum of the columns"),
            (Estimator.RIDGE, "the same with a penalty on large weights"),
            (Estimator.TREE, "one decision tree"),
            (Estimator.RANDOM_FOREST, "the mean of many trees"),
            (
                Estimator.HIST_GRADIENT_BOOSTING,
                "trees that each correct the errors of those before",
            ),
        )
    ]
    if schema.coordinates is not None:
        tries = "boosting with statistics of the nearest training rows as further columns"
        steps.append(Step("spatial", tries, replace(steps[-1].spec, features=FeatureSet.SPATIAL)))
    complete = champion.for_schema(schema)
    if complete not in [step.spec for step in steps]:
        steps.append(Step(CHAMPION, "the specification that `train` uses", complete))
    return tuple(steps)


def key(kind: str, **facts: Any) -> str:
    """Return a name that is derived from the facts, which have a JSON form."""
    text = json.dumps(json_value(facts), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{kind}-{sha256(text.encode()).hexdigest()[:16]}"
