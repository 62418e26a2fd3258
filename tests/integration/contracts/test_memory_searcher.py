import pytest

from application.ports import Searcher
from tests.fakes.training import MemorySearcher
from tests.integration.contracts.searcher import SearcherContract


class TestMemorySearcher(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return MemorySearcher()
