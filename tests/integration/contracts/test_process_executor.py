from pathlib import Path

import pytest

from adapters.local.processes import ProcessExecutor
from application.ports import Executor
from domain.errors import Unavailable
from tests.integration.contracts.executor import ExecutorContract, Spell, Work


class Ending(Work):
    """A task that takes its process with it."""

    def __call__(self, item: int) -> Spell:
        import os

        os._exit(9)


@pytest.mark.slow
class TestProcessExecutor(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        return ProcessExecutor()

    def test_a_process_that_ends_is_an_error_and_the_next_tasks_run(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        with pytest.raises(Unavailable, match="a worker process ended before its task was done"):
            list(executor.map(Ending(tmp_path), range(3), 2))
        assert [spell.item for spell in executor.map(Work(tmp_path), range(3), 2)] == [0, 1, 2]
