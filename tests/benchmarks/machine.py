"""What a measurement was made on, without naming anybody's machine."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.places import ROOT

_BUSY = 0.3


def describe() -> dict[str, str]:
    """Return processor, memory, system and revision, and how busy the machine is with others."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory / 1e9:.0f} GB",
        "system": f"{platform.system()} {kernel}, Python {platform.python_version()}",
        "revision": _revision(),
        "load before the run": f"{os.getloadavg()[0]:.2f}",
    }


def warning() -> str | None:
    """Return what speaks against measuring now, if anything does."""
    load = os.getloadavg()[0]
    if load <= _BUSY:
        return None
    return f"the machine is busy with something else (load {load:.2f}): figures will be noisy"


def our_versions(libraries: tuple[str, ...]) -> Mapping[str, str]:
    """Return the versions of libraries in this environment."""
    return {library: version(library) for library in libraries}


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
