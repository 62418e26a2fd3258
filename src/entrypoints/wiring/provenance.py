"""Which code this is: what a manifest says made a model."""

import ast
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from domain.model.manifest import CodeVersion

_SOURCES = Path(__file__).parents[2]
_LIBRARIES = ("numpy", "scikit-learn")


def code_version() -> CodeVersion:
    """Return the release, and where the code stands in git, the revision and whether it differs."""
    revision = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", str(_SOURCES))
    changed = None if changes is None else bool(changes)
    return CodeVersion(version("modelport"), revision or "unknown", changed)


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=_SOURCES, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def code_digest(*starts: str) -> str:
    """Return a digest of the source of some modules and of all modules of ours they import.

    It changes with any of them, committed or not, and with the versions of the libraries that
    fit and answer: what was computed under another digest may come out differently now.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    waiting, seen = list(starts), set[str]()
    digest = sha256()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += _imported(_source(name))
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + _source(name))
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()[:16]


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if _file(name) is not None)


def _source(name: str) -> bytes:
    path = _file(name)
    if path is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return path.read_bytes()


def _file(name: str) -> Path | None:
    stem = _SOURCES.joinpath(*name.split("."))
    found = (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())
    return next(found, None)
