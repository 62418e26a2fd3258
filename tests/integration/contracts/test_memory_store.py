import pytest

from adapters.memory import MemoryStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract


class TestMemoryStore(ModelStoreContract):
    @pytest.fixture
    def store(self) -> ModelStore:
        return MemoryStore()
