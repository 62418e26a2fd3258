"""What is made once in a run, by whichever worker of pytest-xdist needs it first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.environments import exclusively


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` has filled; all workers have the same, and only read it."""
    own = temporary.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, finished = shared / name, shared / f"{name}.finished"
    with exclusively(shared / f"{name}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what an attempt that failed has left
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder
