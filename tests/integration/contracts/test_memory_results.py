import pytest

from adapters.memory import MemoryResults
from application.ports import ResultStore
from tests.integration.contracts.result_store import ResultStoreContract


class TestMemoryResults(ResultStoreContract):
    @pytest.fixture
    def results(self) -> ResultStore:
        return MemoryResults()
