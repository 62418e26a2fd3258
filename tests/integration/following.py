"""Pages of the documentation that a reader can follow, from the first snippet to the last."""

import shutil
from pathlib import Path

import pytest

from tests.integration.snippets import reading, snippets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WHAT_A_USER_HAS = ["data/housing.toml", "data/raw/housing.csv.dvc", "data/raw/.gitignore", ".dvc"]
WHAT_A_CONTRIBUTOR_HAS = [*WHAT_A_USER_HAS, "src", "tests", "pyproject.toml"]

_PAGES = [ROOT / "README.md", DOCS / "tutorial.md", *sorted(DOCS.glob("how-to/*.md"))]

# Halves that are tried in files of their own, since a process tries whole files: they take minutes.
FOLLOWED = (_PAGES[: len(_PAGES) // 2], _PAGES[len(_PAGES) // 2 :])


def name(page: Path) -> str:
    """Return how a page is called in reports."""
    return str(page.relative_to(ROOT))


def follow(page: Path, folder: Path, data_url: str) -> int:
    """Run the snippets of a page in a folder, and return how many there are.

    Fails where something is not as it is shown.
    """
    contributing = page.stem == "add-an-adapter"
    for path in WHAT_A_CONTRIBUTOR_HAS if contributing else WHAT_A_USER_HAS:
        copy(ROOT / path, folder / path)
    steps = list(snippets(page.read_text()))

    with reading(folder, data_url) as reader:
        if contributing:
            reader.environment = {**reader.environment, "PYTHONPATH": str(folder / "src")}
        for step in steps:
            try:
                reader.follow(step)
            except AssertionError as error:
                pytest.fail(f"{name(page)}, line {step.line}: {error}", pytrace=False)
    return len(steps)


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, without what its use has left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp")
        )
    else:
        shutil.copy(source, target)
