import pytest

from adapters.sklearn.explaining import SklearnExplainers
from adapters.sklearn.learner import SklearnLearner
from application.ports import Trained
from domain.training import TrainingSpec
from tests.integration.contracts.explainers import ExplainersContract
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.samples import SCHEMA
from tests.integration.sklearn_learner.specs import QUICK


@pytest.mark.parametrize("spec", QUICK.values(), ids=QUICK.keys(), scope="class")
class TestSklearnExplainers(ExplainersContract):
    @pytest.fixture(scope="class")
    @classmethod
    def explainers(cls) -> SklearnExplainers:
        return SklearnExplainers()

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, spec: TrainingSpec) -> Trained:
        return SklearnLearner().fit(spec, SCHEMA, *labelled())
