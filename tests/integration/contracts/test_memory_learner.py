import pytest

from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.fakes.model import MemoryRuntime
from tests.fakes.training import MemoryLearner
from tests.integration.contracts.learner import LearnerContract

SPECS = (
    TrainingSpec(Estimator.LINEAR),
    TrainingSpec(Estimator.RIDGE, {"alpha": 2.5}),
)


class TestMemoryLearner(LearnerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def learner(cls) -> MemoryLearner:
        return MemoryLearner()

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls) -> MemoryRuntime:
        return MemoryRuntime()

    @pytest.fixture(scope="class", params=SPECS, ids=lambda spec: spec.estimator.value)
    @classmethod
    def spec(cls, request: pytest.FixtureRequest) -> TrainingSpec:
        spec: TrainingSpec = request.param
        return spec

    @pytest.fixture(params=["much", -1, True])
    def wrong(self, request: pytest.FixtureRequest) -> dict[str, Parameter]:
        return {"alpha": request.param}
