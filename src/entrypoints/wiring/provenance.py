"""Which code this is: what a manifest says made a model."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

_SOURCES = Path(__file__).parents[2]


def code_version() -> dict[str, Any]:
    """Return the release, and where the code stands in git, the revision and whether it differs."""
    revision = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", str(_SOURCES))
    return {
        "modelport": version("modelport"),
        "revision": revision or "unknown",
        "changed": None if changes is None else bool(changes),
    }


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=_SOURCES, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
