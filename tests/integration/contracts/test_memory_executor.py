import pytest

from application.ports import Executor
from tests.fakes.memory import MemoryExecutor
from tests.integration.contracts.executor import ExecutorContract


class TestMemoryExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return MemoryExecutor()
