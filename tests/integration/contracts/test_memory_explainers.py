import pytest

from adapters.memory import MemoryExplainers, MemoryLearner
from application.ports import Trained
from domain.training import Estimator, TrainingSpec
from tests.integration.contracts.explainers import ExplainersContract
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.samples import SCHEMA


class TestMemoryExplainers(ExplainersContract):
    @pytest.fixture(scope="class")
    @classmethod
    def explainers(cls) -> MemoryExplainers:
        return MemoryExplainers()

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> Trained:
        return MemoryLearner().fit(TrainingSpec(Estimator.LINEAR), SCHEMA, *labelled())
