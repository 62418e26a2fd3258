"""Virtual environments: the project's own, and one for each peer, made once and used again."""

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.benchmarks.places import HERE, KEPT, Unusable

PEERS = ("plain", "mlflow", "mlserver")

_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore")


@dataclass(frozen=True, slots=True)
class Environment:
    """Programs installed together."""

    bin: Path

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.bin / name)

    @property
    def python(self) -> str:
        """The path of its interpreter."""
        return self.program("python")


OURS = Environment(Path(sys.executable).parent)


def requirements(peer: str) -> Path:
    """Return the file of a peer's pinned requirements."""
    return HERE / f"requirements-{peer}.txt"


def prepare(peer: str) -> Environment:
    """Return the environment of a peer; it is made where it is not there or is out of date.

    Raises:
        Unusable: it cannot be installed.
    """
    folder = KEPT / f"venv-{peer}"
    pinned = requirements(peer)
    wanted = f"{sha256(pinned.read_bytes()).hexdigest()} {sys.version}"
    stamp = folder / "installed"
    environment = Environment(folder / "bin")
    if stamp.exists() and stamp.read_text() == wanted:
        return environment
    print(f"installing {pinned.name}; this takes a minute or two", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run([environment.python, *_PIP, "--quiet", "--no-deps", "--require-hashes", "-r", str(pinned)])
    stamp.write_text(wanted)
    return environment


def versions(peer: str, libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the pinned versions of some libraries of a peer."""
    lines = requirements(peer).read_text().splitlines()
    pins = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
    return {library: pins[library] for library in libraries}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unusable(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
