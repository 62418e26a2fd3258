import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.local.executors import ProcessExecutor
from application.ports import Executor
from domain.errors import Unavailable
from tests.integration.contracts.executor import ExecutorContract, Spell, Work
from tests.integration.processes import START_SECONDS, STOP_SECONDS
from tests.support.waiting import wait_until


class Ending(Work):
    """A task that ends its process."""

    def __call__(self, item: int) -> Spell:
        os._exit(9)


@dataclass(frozen=True)
class Naming:
    """A task that reports its process and never ends."""

    folder: Path

    def __call__(self, item: int) -> None:
        (self.folder / str(os.getpid())).touch()
        time.sleep(3600)


DRIVER = """
import sys
from pathlib import Path
from adapters.local.executors import ProcessExecutor
from tests.integration.contracts.test_process_executor import Naming

if __name__ == "__main__":
    list(ProcessExecutor().map(Naming(Path(sys.argv[1])), range(2), 2))
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    marks = tmp_path / "marks"
    marks.mkdir()
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, script, marks], env=environment) as driver:
        try:
            wait_until(lambda: len([*marks.iterdir()]) == 2, START_SECONDS, lambda: "no workers")
        finally:
            driver.kill()
    workers = [int(mark.name) for mark in marks.iterdir()]
    wait_until(lambda: not any(map(alive, workers)), STOP_SECONDS, lambda: f"{workers} live on")
    assert len(workers) == 2


@pytest.mark.slow
class TestProcessExecutor(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        return ProcessExecutor()

    def test_after_a_lost_process_the_next_tasks_run(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        with pytest.raises(Unavailable, match="a worker process ended before its task was done"):
            list(executor.map(Ending(tmp_path), range(3), 2))
        assert [spell.item for spell in executor.map(Work(tmp_path), range(3), 2)] == [0, 1, 2]
