import pytest

from adapters.memory import MemoryExecutor
from application.ports import Executor
from tests.integration.contracts.executor import ExecutorContract


class TestMemoryExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return MemoryExecutor()
