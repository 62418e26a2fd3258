"""The load generator `wrk`: what it sends, and what it measures."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.benchmarks.places import HERE, Unusable
from tests.benchmarks.processes import pinned

_FIGURES = "FIGURES "
_PLAIN = set(range(0x20, 0x7F)) - set(b'"\\')


# The last digits of a marked longitude: `wrk.lua` writes others in their place in every request.
MARK = "0000987654"


@dataclass(frozen=True, slots=True)
class Requests:
    """Bodies to post in turn, and the exact answers that are right.

    With `offsets` every request asks for rows that were never asked before: `MARK` is replaced by
    digits of a counter, and at each offset of a body two bytes are.
    """

    path: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]
    answers: Sequence[bytes] = ()
    offsets: Sequence[Sequence[int]] | None = None

    @classmethod
    def fresh(
        cls, path: str, headers: Mapping[str, str], plain: Sequence[bytes], marked: Sequence[bytes]
    ) -> Self:
        """Return requests with changing longitudes, from bodies with plain and marked ones.

        Bodies of JSON carry the mark as text; in those of tensors the longitudes are float64, of
        which the two lowest bytes change.
        """
        texts = all(MARK.encode() in body for body in marked)
        pairs = zip(plain, marked, strict=True)
        offsets = [[] if texts else changed_numbers(*pair) for pair in pairs]
        return cls(path, headers, marked, offsets=offsets)

    def to_lua(self) -> bytes:
        """Return a Lua program that returns these requests."""
        headers = b", ".join(
            b"[%s] = %s" % (quoted(name.encode()), quoted(value.encode()))
            for name, value in self.headers.items()
        )
        fields = {
            "path": quoted(self.path.encode()),
            "headers": b"{%s}" % headers,
            "bodies": b"{%s}" % b",\n".join(map(quoted, self.bodies)),
            "answers": b"{%s}" % b",\n".join(map(quoted, sorted({*self.answers}))),
        }
        if self.offsets is not None:
            numbers = (",".join(map(str, offsets)).encode() for offsets in self.offsets)
            fields["mark"] = quoted(MARK.encode())
            fields["offsets"] = b"{%s}" % b",\n".join(b"{%s}" % some for some in numbers)
        return b"return {\n%s}\n" % b"".join(
            b"%s = %s,\n" % (name.encode(), value) for name, value in fields.items()
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
    words = [*load_command(port, requests, connections, seconds), *(["check"] if check else [])]
    command = words if core is None else pinned(core, words)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unusable(f"wrk failed:\n{done.stdout}{done.stderr}")
    return parse(done.stdout)


def load_command(port: int, requests: Path, connections: int, seconds: int) -> list[str]:
    """Return the command that posts the requests of a Lua file for a while."""
    words = ["wrk", "--threads", "1", "--connections", str(connections), "--latency"]
    words += ["--duration", f"{seconds}s", "--timeout", "30s", "--script", str(HERE / "wrk.lua")]
    return [*words, f"http://127.0.0.1:{port}", "--", str(requests)]


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


def changed_numbers(plain: bytes, marked: bytes) -> list[int]:
    """Return where float64 numbers begin in which two bodies of one length differ.

    Raises:
        Unusable: they differ in something else.
    """
    changed = [at for at, pair in enumerate(zip(plain, marked, strict=True)) if len({*pair}) > 1]
    starts = sorted({changed[0] + (at - changed[0]) // 8 * 8 for at in changed})
    if not starts:
        raise Unusable("a body has no longitude that could change from request to request")
    return starts


def quoted(text: bytes) -> bytes:
    """Return a Lua string literal."""
    return b'"%s"' % b"".join(
        bytes([byte]) if byte in _PLAIN else b"\\%03d" % byte for byte in text
    )
