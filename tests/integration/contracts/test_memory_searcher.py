import pytest

from adapters.memory import MemorySearcher
from application.ports import Searcher
from tests.integration.contracts.searcher import SearcherContract


class TestMemorySearcher(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return MemorySearcher()
