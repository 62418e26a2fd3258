import pytest

from adapters.memory import MemoryLearner, MemoryRuntime
from application.ports import Trained
from domain.training import Estimator, TrainingSpec
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import RuntimeContract
from tests.integration.contracts.samples import SCHEMA


class TestMemoryRuntime(RuntimeContract):
    BUILD = MemoryRuntime

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> Trained:
        return MemoryLearner().fit(TrainingSpec(Estimator.LINEAR), SCHEMA, *labelled())
