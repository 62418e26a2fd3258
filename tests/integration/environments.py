"""Environments for programs that must not enter the project's own, made once per lock file."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leaving_out import leave_out

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
TOOLS = ROOT / ".tools"
INSTALL_SECONDS = 900


def programs_of(name: str) -> Path:
    """Return the folder of the programs that `requirements/<name>.txt` pins.

    The test is left out, but not in CI, where the package index is out of reach.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    lock = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    TOOLS.mkdir(exist_ok=True)
    home = TOOLS / f"{name}-{lock}"
    installed = home / "installed"
    with exclusively(home.with_suffix(".lock")):
        if not installed.exists():
            _install(requirements, home)
            installed.touch()
    return home / "bin"


@contextmanager
def exclusively(lock: Path) -> Iterator[None]:
    """Keep out every other process that comes here with the same file."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(requirements: Path, home: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--retries", "1"]
    result = subprocess.run(
        [
            *pip,
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
            "-r",
            str(requirements),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
    if result.returncode != 0 and "Retrying (" in result.stderr:
        leave_out(f"{requirements.name} cannot be installed: the package index is out of reach")
    assert result.returncode == 0, result.stderr
