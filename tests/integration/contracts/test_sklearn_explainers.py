import pytest

from adapters.sklearn.sklearn_explainers import SklearnExplainers
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.ports import TrainedModel
from domain.training.specification import TrainingSpec
from tests.integration.contracts.explainers import ExplainersContract
from tests.integration.contracts.rows import labelled
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA


@pytest.mark.parametrize("spec", QUICK.values(), ids=QUICK.keys(), scope="class")
class TestSklearnExplainers(ExplainersContract):
    @pytest.fixture(scope="class")
    @classmethod
    def explainers(cls) -> SklearnExplainers:
        return SklearnExplainers()

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, spec: TrainingSpec) -> TrainedModel:
        return SklearnLearner().fit(spec, SCHEMA, *labelled())
