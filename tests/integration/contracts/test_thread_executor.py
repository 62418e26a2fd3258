import pytest

from adapters.local.threads import ThreadExecutor
from application.ports import Executor
from tests.integration.contracts.executor import ExecutorContract


class TestThreadExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return ThreadExecutor()
