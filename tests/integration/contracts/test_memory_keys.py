import pytest

from tests.fakes.security import MemoryKeyStore
from tests.integration.contracts.key_store import KeyStoreContract


class TestMemoryKeys(KeyStoreContract):
    @pytest.fixture
    def store(self) -> MemoryKeyStore:
        return MemoryKeyStore()
