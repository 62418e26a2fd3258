import pytest

from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.ports import TrainedModel
from domain.training.specification import Estimator
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA


class TestOnnxRuntime(RuntimeContract):
    BUILD = OnnxRuntime

    @pytest.fixture(scope="class", params=Estimator)
    @classmethod
    def trained(cls, request: pytest.FixtureRequest) -> TrainedModel:
        return SklearnLearner().fit(QUICK[request.param], SCHEMA, *labelled())
