import pytest

from tests.fakes.tracking import MemoryLedger
from tests.integration.contracts.ledger import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> MemoryLedger:
        return MemoryLedger()
