import pytest

from application.ports import PublishedOutput
from domain.scoring.batch_job import BatchJob
from tests.fakes.data import MemorySink
from tests.integration.contracts.data_source import contents
from tests.integration.contracts.prediction_sink import (
    Damage,
    PredictionSinkContract,
    ReadBack,
    Reopened,
    Written,
)


class TestMemorySink(PredictionSinkContract):
    @pytest.fixture
    def sink(self) -> MemorySink:
        return MemorySink()

    @pytest.fixture
    def reopened(self, sink: MemorySink) -> Reopened:
        return lambda: sink

    @pytest.fixture
    def remove_rows(self, sink: MemorySink) -> Damage:
        return lambda job: sink.tables.clear()

    @pytest.fixture
    def remove_rejects(self, sink: MemorySink) -> Damage:
        return lambda job: sink.rejects.clear()

    @pytest.fixture
    def read_back(self, sink: MemorySink) -> ReadBack:
        def read(job: BatchJob, published: PublishedOutput) -> Written:
            rejects = [reject.to_mapping() for reject in sink.rejects[job.id]]
            return Written(contents(sink.tables[job.id]), rejects)

        return read
