import pytest

from adapters.onnx.runtime import OnnxRuntime
from adapters.sklearn.learner import SklearnLearner
from application.ports import Trained
from domain.training import Estimator
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.integration.contracts.samples import SCHEMA
from tests.integration.sklearn_learner.specs import QUICK


class TestOnnxRuntime(RuntimeContract):
    BUILD = OnnxRuntime

    @pytest.fixture(scope="class", params=Estimator)
    @classmethod
    def trained(cls, request: pytest.FixtureRequest) -> Trained:
        return SklearnLearner().fit(QUICK[request.param], SCHEMA, *labelled())
