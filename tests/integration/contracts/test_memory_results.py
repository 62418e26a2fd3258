import pytest

from application.ports import ResultStore
from tests.fakes.tracking import MemoryResults
from tests.integration.contracts.result_store import ResultStoreContract


class TestMemoryResults(ResultStoreContract):
    @pytest.fixture
    def results(self) -> ResultStore:
        return MemoryResults()
