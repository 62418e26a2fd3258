import pytest

from application.ports import ModelStore
from tests.fakes.model import MemoryStore
from tests.integration.contracts.model_store import ModelStoreContract


class TestMemoryStore(ModelStoreContract):
    @pytest.fixture
    def store(self) -> ModelStore:
        return MemoryStore()
