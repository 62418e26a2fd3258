import pytest

from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import SklearnLearner
from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.integration.contracts.learner import LearnerContract
from tests.integration.sklearn.specs import QUICK, WRONG


class TestSklearnLearner(LearnerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def learner(cls) -> SklearnLearner:
        return SklearnLearner()

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls) -> OnnxRuntime:
        return OnnxRuntime()

    @pytest.fixture(scope="class", params=Estimator)
    @classmethod
    def spec(cls, request: pytest.FixtureRequest) -> TrainingSpec:
        return QUICK[request.param]

    @pytest.fixture
    def wrong(self, spec: TrainingSpec) -> dict[str, Parameter]:
        return WRONG[spec.estimator]
