import pytest

from adapters.sklearn.sklearn_learner import SklearnLearner
from application.ports import Runtime, TrainedModel
from domain.model.bundle import GRAPH, TREES
from domain.training.specification import Estimator
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.integration.llvm.compiled import compiled_runtime
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA


class TestLlvmRuntime(RuntimeContract):
    GRAPH = TREES

    BUILD = staticmethod(compiled_runtime)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> TrainedModel:
        spec = QUICK[Estimator.HIST_GRADIENT_BOOSTING]
        return SklearnLearner().fit(spec, SCHEMA, *labelled())

    def test_the_graph_is_not_needed(self, runtime: Runtime, trained: TrainedModel) -> None:
        files = {name: content for name, content in trained.files.items() if name != GRAPH}
        assert len(runtime.load(SCHEMA, files).predict(labelled()[0])) == len(labelled()[0])
