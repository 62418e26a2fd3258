"""Processes to be measured: started on chosen cores, watched, and ended by their ids."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.places import ROOT, Unusable

_STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.01
_MEMORY_SECONDS = 0.2
_LAST_WORDS = 3_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (10⁶ bytes) of a process and its descendants.

    `pss` adds up all of them, a page that several share counted once; `rss` is the largest one's.
    """

    pss: float
    rss: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took; `cpu` is in seconds over all cores, `peak` in megabytes."""

    seconds: float
    cpu: float
    peak: Memory


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings and nobody else's."""
    others = ("MODELPORT_", "MLFLOW_", "MLSERVER_", "PYTHON", "COVERAGE_", "OMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**kept, **settings}


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs a command on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in the block, its output in `log`; afterwards it and its children are gone."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        _stop(process)


def measure(command: Sequence[str], settings: Mapping[str, str], log: Path) -> Usage:
    """Run a command to its end.

    Raises:
        Unusable: it failed; shows the last of its output.
    """
    started = time.perf_counter()
    with running(command, settings, log) as process:
        peak = Peak(process.pid)
        while True:
            pid, status, resources = os.wait4(process.pid, os.WNOHANG)
            seconds = time.perf_counter() - started
            if pid:
                break
            peak.look()
            time.sleep(_LOOK_SECONDS)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Unusable(f"{' '.join(command)} failed:\n{last_words(log)}")
    return Usage(seconds, resources.ru_utime + resources.ru_stime, peak.memory)


@dataclass
class Peak:
    """The most that a process and its descendants have held, as far as somebody looked.

    Of one process the kernel keeps the most itself, so that no peak is missed but the very last.
    It is not what `wait4` reports, which begins with the size of the process that started it.
    """

    pid: int
    rss: float = 0.0
    pss: float = 0.0
    _next_pss: float = 0.0

    @property
    def memory(self) -> Memory:
        """The peaks; all processes together held no less than the largest of them."""
        return Memory(max(self.pss, self.rss), self.rss)

    def look(self) -> None:
        """Look at it now; adding up shared pages is dear, and done now and then only."""
        self.rss = max(self.rss, *map(_high_water, tree(self.pid)))
        if time.monotonic() >= self._next_pss:
            self.pss = max(self.pss, memory(self.pid).pss)
            self._next_pss = time.monotonic() + _MEMORY_SECONDS


def last_words(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-_LAST_WORDS:]


def memory(pid: int) -> Memory:
    """Return what a process and its descendants hold now."""
    held = [_rollup(member) for member in tree(pid)]
    largest = max((part.rss for part in held), default=0.0)
    return Memory(sum(part.pss for part in held), largest)


def tree(pid: int) -> list[int]:
    """Return a process and its descendants, as far as they are there."""
    found = [pid]
    for member in found:  # grows as it goes
        with suppress(FileNotFoundError, ProcessLookupError):
            for children in Path(f"/proc/{member}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def parse_rollup(text: str) -> Memory:
    """Read a process's `smaps_rollup`."""
    fields = dict(line.split(":") for line in text.splitlines() if line.endswith(" kB"))
    pss, rss = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("Pss", "Rss"))
    return Memory(pss, rss)


def parse_high_water(text: str) -> float:
    """Read the most that a process has held, in megabytes, from its `status`."""
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 / 1e6 if lines else 0.0


def _high_water(pid: int) -> float:
    try:
        return parse_high_water(Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _rollup(pid: int) -> Memory:
    try:
        return parse_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return Memory(0.0, 0.0)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process and its descendants to end, and then make them."""
    members = [] if process.returncode is not None else tree(process.pid)
    for way in (signal.SIGTERM, signal.SIGKILL):
        for member in members:
            with suppress(ProcessLookupError):
                os.kill(member, way)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            process.poll()
            members = [member for member in members if is_alive(member)]
            if not members:
                return
            time.sleep(_LOOK_SECONDS)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet reaped does not.

    Of one that is killed the first thread ends while others still do: until then it runs.
    """
    try:
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, threads = found[0], int(found[17])
    return state != "Z" or threads > 1
