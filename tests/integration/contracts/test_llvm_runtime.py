import pytest

from adapters.llvm.runtime import LlvmRuntime
from adapters.sklearn.learner import SklearnLearner
from application.ports import Trained
from domain.model import NUMERIC, TREES
from domain.training import Estimator
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.integration.contracts.samples import SCHEMA
from tests.integration.sklearn_learner.specs import QUICK


class TestLlvmRuntime(RuntimeContract):
    NUMERIC = TREES

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls) -> LlvmRuntime:
        return LlvmRuntime()

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> Trained:
        spec = QUICK[Estimator.HIST_GRADIENT_BOOSTING]
        return SklearnLearner().fit(spec, SCHEMA, *labelled())

    def test_the_graph_is_not_needed(self, runtime: LlvmRuntime, trained: Trained) -> None:
        files = {name: content for name, content in trained.files.items() if name != NUMERIC}
        assert len(runtime.load(SCHEMA, files).predict(labelled()[0])) == len(labelled()[0])
