import pytest

from application.ports import TrainedModel
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.model import MemoryRuntime
from tests.fakes.training import MemoryLearner
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.support.samples import SCHEMA


class TestMemoryRuntime(RuntimeContract):
    BUILD = MemoryRuntime

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> TrainedModel:
        return MemoryLearner().fit(TrainingSpec(Estimator.LINEAR), SCHEMA, *labelled())
