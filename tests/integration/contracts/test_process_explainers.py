from collections.abc import Iterator

import pytest

from adapters.local.explaining_process import ProcessExplainers
from adapters.sklearn.sklearn_explainers import SklearnExplainers
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.ports import TrainedModel
from tests.integration.contracts.explainers import ExplainersContract, ending_explainers
from tests.integration.contracts.rows import labelled
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA


class TestProcessExplainers(ExplainersContract):
    @pytest.fixture(scope="class")
    @classmethod
    def explainers(cls) -> Iterator[ProcessExplainers]:
        with ending_explainers():
            yield ProcessExplainers(SklearnExplainers)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> TrainedModel:
        return SklearnLearner().fit(next(iter(QUICK.values())), SCHEMA, *labelled())
