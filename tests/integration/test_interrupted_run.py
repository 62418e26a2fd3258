"""A test run that is interrupted leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow]
ROOT = Path(__file__).parents[2]
PLUGIN = "tests.support.started_processes"

TEST = """
import subprocess, sys, time
from pathlib import Path

def test_that_starts_a_server():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                              start_new_session=True)
    Path({pid!r}).with_suffix(".new").write_text(str(server.pid))
    Path({pid!r}).with_suffix(".new").rename({pid!r})
    time.sleep({seconds})
"""


def run(folder: Path, seconds: int, *options: str) -> "tuple[subprocess.Popen[str], Path]":
    pid = folder / "pid"
    (folder / "test_server.py").write_text(TEST.format(pid=str(pid), seconds=seconds))
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, f"--rootdir={folder}", *options]
    environment = {name: value for name, value in os.environ.items() if name[:6] != "PYTEST"}
    environment.pop("TEST_RUN_OF_PROCESS", None)
    process = subprocess.Popen(
        [*command, str(folder)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, pid


def is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize(
    ("sign", "options"),
    [(signal.SIGINT, ("-n", "2")), (signal.SIGTERM, ())],
    ids=["xdist", "alone"],
)
def test_an_interrupted_run_ends_the_servers_of_its_tests(
    tmp_path: Path, sign: signal.Signals, options: tuple[str, ...]
) -> None:
    process, pid = run(tmp_path, 600, *options)
    with process:
        wait_until(pid.exists, 60, lambda: "the test starts its server")
        server = int(pid.read_text())
        assert is_alive(server)
        process.send_signal(sign)
        process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert not is_alive(server)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_run_whose_test_leaves_a_server_behind_fails(tmp_path: Path) -> None:
    process, pid = run(tmp_path, 0)
    with process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    assert "left a process behind" in out
    assert not is_alive(int(pid.read_text()))
