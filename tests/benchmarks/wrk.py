"""The load generator `wrk`: what it sends, and what it measures."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.places import HERE, Unusable
from tests.benchmarks.processes import pinned

_FIGURES = "FIGURES "
_PLAIN = set(range(0x20, 0x7F)) - set(b'"\\')


@dataclass(frozen=True, slots=True)
class Requests:
    """Bodies to post in turn, and the exact answers that are right."""

    path: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]
    answers: Sequence[bytes]

    def to_lua(self) -> bytes:
        """Return a Lua program that returns these requests."""
        headers = b", ".join(
            b"[%s] = %s" % (quoted(name.encode()), quoted(value.encode()))
            for name, value in self.headers.items()
        )
        return b"return {\npath = %s,\nheaders = {%s},\nbodies = {%s},\nanswers = {%s},\n}\n" % (
            quoted(self.path.encode()),
            headers,
            b",\n".join(map(quoted, self.bodies)),
            b",\n".join(map(quoted, sorted({*self.answers}))),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `wrk` measured; `p50` and `p99` are latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def require_wrk() -> None:
    """Check that the programs that online measurements need are there.

    Raises:
        Unusable: one is not; says how to get it.
    """
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise Unusable(f"{program} is not installed: apt-get install {package}")


def version() -> str:
    """Return the version of `wrk`."""
    shown = subprocess.run(["wrk", "--version"], capture_output=True, text=True).stdout
    return " ".join(shown.split()[:2])


def put_load(
    port: int,
    requests: Path,
    *,
    connections: int,
    seconds: int,
    core: int | None,
    check: bool = False,
) -> Load:
    """Post the requests of a Lua file for a while, as fast as they are answered.

    With `check` every answer is compared, which slows `wrk` down: not for figures.

    Raises:
        Unusable: a request failed or, with `check`, an answer was wrong.
    """
    words = ["wrk", "--threads", "1", "--connections", str(connections), "--latency"]
    words += ["--duration", f"{seconds}s", "--timeout", "30s", "--script", str(HERE / "wrk.lua")]
    words += [f"http://127.0.0.1:{port}", "--", str(requests), *(["check"] if check else [])]
    command = words if core is None else pinned(core, words)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unusable(f"wrk failed:\n{done.stdout}{done.stderr}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what `wrk.lua` printed.

    Raises:
        Unusable: there are no figures, no requests, or requests that failed.
    """
    found = [line for line in output.splitlines() if line.startswith(_FIGURES)]
    if not found:
        raise Unusable(f"wrk printed no figures:\n{output}")
    figures = json.loads(found[-1].removeprefix(_FIGURES))
    failed = figures.pop("failed")
    if failed or not figures["requests"]:
        raise Unusable(
            f"{failed} of {figures['requests']} requests failed or were wrong:\n{output}"
        )
    return Load(**figures)


def quoted(text: bytes) -> bytes:
    """Return a Lua string literal."""
    return b'"%s"' % b"".join(
        bytes([byte]) if byte in _PLAIN else b"\\%03d" % byte for byte in text
    )
