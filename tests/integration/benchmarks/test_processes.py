import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.places import Unusable
from tests.benchmarks.processes import is_alive, measure, running, tree


def test_a_command_is_measured_apart_from_the_process_that_measures_it(tmp_path: Path) -> None:
    ballast = np.ones(50_000_000)  # 400 MB that must not be counted
    code = "x = bytearray(b'x' * 60_000_000); import time; time.sleep(0.5)"
    usage = measure([sys.executable, "-S", "-c", code], {}, tmp_path / "log")
    assert ballast[-1] == 1
    assert 60 < usage.peak.rss <= usage.peak.pss < 300
    assert usage.seconds >= 0.5
    assert usage.cpu > 0


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no such model"):
        measure([sys.executable, "-c", "raise SystemExit('no such model')"], {}, tmp_path / "a/log")


def test_children_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with running([sys.executable, "-c", code], {}, tmp_path / "log") as process:
        members = tree(process.pid)
        while len(members) < 2 and process.poll() is None:
            members = tree(process.pid)
    assert len(members) == 2
    assert not any(map(is_alive, members))
