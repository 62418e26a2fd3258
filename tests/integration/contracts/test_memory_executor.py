import pytest

from application.ports import Executor
from tests.fakes.execution import MemoryExecutor
from tests.integration.contracts.executor import ExecutorContract


class TestMemoryExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return MemoryExecutor()
