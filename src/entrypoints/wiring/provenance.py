"""The version of the code, recorded in manifests and results."""

import ast
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from application.ports import RunOrigin
from domain.model.manifest import CodeVersion

_SOURCES = Path(__file__).parents[2]
_LIBRARIES = ("numpy", "scikit-learn")


def code_version() -> CodeVersion:
    """Return release, git revision and whether the sources differ from it."""
    revision = _git("rev-parse", "HEAD")
    changed = bool(_git("status", "--porcelain", "--", str(_SOURCES))) if revision else None
    return CodeVersion(version("modelport"), revision or "unknown", changed)


def run_origin(user: str) -> RunOrigin:
    """Return the user with the revision and the branch of the code."""
    return RunOrigin(user, _git("rev-parse", "HEAD"), _git("branch", "--show-current"))


def _git(*arguments: str) -> str:
    """Return what git prints about the sources; nothing without git or a repository."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=_SOURCES,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def code_digest(*starts: str) -> str:
    """Return a digest of modules, all modules of the project that they import, and libraries.

    Results stored under another digest may differ from what the current code computes.

    Raises:
        ModuleNotFoundError: a module of `starts` does not exist.
    """
    waiting, sources = list(starts), dict[str, bytes]()
    while waiting:
        if (name := waiting.pop()) not in sources:
            sources[name] = _source(name)
            waiting += _imported(sources[name])
    digest = sha256()
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name])
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
