import pytest

from adapters.local.executors import ThreadExecutor
from application.ports import Executor
from tests.integration.contracts.executor import ExecutorContract


class TestThreadExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return ThreadExecutor()
