import pytest

from tests.fakes.reports import MemoryNotebooks
from tests.integration.contracts.notebooks import NotebooksContract, Put


class TestMemoryNotebooks(NotebooksContract):
    @pytest.fixture
    def notebooks(self) -> MemoryNotebooks:
        return MemoryNotebooks()

    @pytest.fixture
    def put(self, notebooks: MemoryNotebooks) -> Put:
        def keep(name: str, *cells: tuple[str, str]) -> str:
            notebooks.folders.setdefault("books", {})[name] = cells
            return "books"

        return keep
