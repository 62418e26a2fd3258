"""Experiments on fakes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from application.experiments.run_experiments import RESULTS, RunExperiments
from application.experiments.try_seeds import SEEDS, TrySeeds
from application.ports import TrainedModel
from application.training.cross_validate import CrossValidate
from domain.data.feature import Vector
from domain.data.schema import Coordinates, Matrix, Schema
from domain.data.split import Split
from domain.experiments.ladder import SPACE, Plan
from domain.training.specification import TrainingSpec
from tests.fakes.data import MemorySource
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import MemoryRuntime
from tests.fakes.tracking import MemoryResults, MemoryTracker
from tests.fakes.training import MemoryLearner, MemorySearcher
from tests.support.houses import LINEAR, SCHEMA, source

MAPPED = replace(SCHEMA, coordinates=Coordinates("age", "rooms"))
PLAN = Plan(folds=3, budget=3)
BOOSTING = TrainingSpec()


class CountingLearner(MemoryLearner):
    """Fits least squares for any estimator; a learning rate other than 0.05 adds a bias.

    `prices` are the targets of each fit, which identify its rows.
    """

    def __init__(self) -> None:
        self.fitted: list[tuple[TrainingSpec, int]] = []
        self.prices: list[Vector] = []

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        self.fitted.append((spec, len(target)))
        self.prices.append(target)
        rate = spec.parameters.get("learning_rate", 0.05)
        assert isinstance(rate, float)
        shifted = target + 1e6 * abs(rate - 0.05)
        plain = replace(spec, parameters={})
        trained = super().fit(plain, schema, matrix, shifted)
        return replace(trained, parameters=dict.fromkeys(SPACE, 0.05) | {**spec.parameters})


@dataclass
class Laboratory:
    """The use cases of experiments on fakes."""

    learner: CountingLearner = field(default_factory=CountingLearner)
    results: MemoryResults = field(default_factory=MemoryResults)
    tracker: MemoryTracker = field(default_factory=MemoryTracker)
    told: list[str] = field(default_factory=list)

    @property
    def cross_validate(self) -> CrossValidate:
        return CrossValidate(self.learner, MemoryRuntime(), MemoryExecutor())

    def run(
        self,
        champion: TrainingSpec = BOOSTING,
        data: MemorySource | None = None,
        code: str = "abc",
        schema: Schema = SCHEMA,
        **options: Any,
    ) -> Mapping[str, Any]:
        use_case = RunExperiments(
            self.cross_validate, MemorySearcher(), self.results, self.tracker, code
        )
        use_case(data or source(), schema, champion, PLAN, report=self.told.append, **options)
        return self.results.document(RESULTS)

    def seeds(self, *seeds: int, **options: Any) -> Mapping[str, Any]:
        use_case = TrySeeds(self.cross_validate, self.results, self.tracker, "abc")
        split = Split(0.2, validation=0.16)
        use_case(source(), SCHEMA, replace(LINEAR, split=split), seeds, **options)
        return self.results.document(SEEDS)
