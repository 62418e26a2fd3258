import pytest

from application.ports import TrainedModel
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.model import MemoryExplainers
from tests.fakes.training import MemoryLearner
from tests.integration.contracts.explainers import ExplainersContract
from tests.integration.contracts.rows import labelled
from tests.support.samples import SCHEMA


class TestMemoryExplainers(ExplainersContract):
    @pytest.fixture(scope="class")
    @classmethod
    def explainers(cls) -> MemoryExplainers:
        return MemoryExplainers()

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> TrainedModel:
        return MemoryLearner().fit(TrainingSpec(Estimator.LINEAR), SCHEMA, *labelled())
