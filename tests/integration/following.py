"""Pages of the documentation, followed from the first snippet to the last.

README and tutorial are followed in a fresh folder. How-to pages are followed in the state after
`make demo`: in each variant, or in one where a page takes minutes.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.snippets import Snippet, reading, snippets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WHAT_A_USER_HAS = ["data/housing.toml", "data/raw/housing.csv.dvc", "data/raw/.gitignore", ".dvc"]
WHAT_A_CONTRIBUTOR_HAS = [*WHAT_A_USER_HAS, "src", "tests", "pyproject.toml"]

_PAGES = [ROOT / "README.md", DOCS / "tutorial.md", *sorted(DOCS.glob("how-to/*.md"))]

# Two halves, each with a test module of its own, since pytest-xdist distributes whole modules.
FOLLOWED = (_PAGES[: len(_PAGES) // 2], _PAGES[len(_PAGES) // 2 :])

_EACH_VARIANT = ("main", "api-baseline")
_VARIANTS: dict[str, tuple[str | None, ...]] = {
    **dict.fromkeys(("README", "tutorial", "add-an-adapter"), (None,)),
    **dict.fromkeys(("dvc", "mlflow", "scale", "serve-in-production"), ("main",)),
    **dict.fromkeys(("experiments", "secure-and-observe"), ("api-baseline",)),
}


def cases(pages: Sequence[Path]) -> list[tuple[Path, str | None]]:
    """Return pages with the variants of the demo after which they are followed."""
    return [
        (page, variant) for page in pages for variant in _VARIANTS.get(page.stem, _EACH_VARIANT)
    ]


def case_name(value: object) -> str:
    """Return the name of a page or a variant in reports."""
    return name(value) if isinstance(value, Path) else str(value or "fresh")


def name(page: Path) -> str:
    """Return the name of a page in reports."""
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class StartingPoints:
    """Folders in which readers start; what the demo leaves is restored for every page."""

    parent: Path
    data_url: str

    def folder(self, variant: str | None) -> Path:
        """Return a folder that is fresh, or in which the demo has run in a variant.

        The path after the demo is the same for all pages: MLflow's database holds absolute paths.
        """
        root, stored = self.parent / str(variant), self.parent / f"{variant}.stored"
        shutil.rmtree(root, ignore_errors=True)
        if variant is None:
            return root / "modelport"
        if not stored.exists():
            self._run_demo(root / "modelport", variant)
            shutil.copytree(root, stored)
        else:
            shutil.copytree(stored, root)
        return root / "modelport"

    def _run_demo(self, folder: Path, variant: str) -> None:
        for path in WHAT_A_USER_HAS:
            copy(ROOT / path, folder / path)
        with reading(folder, self.data_url, variant) as reader:
            reader.follow(Snippet("bash", (), "modelport demo\n", 1))


def follow(page: Path, folder: Path, data_url: str, variant: str | None) -> int:
    """Run the snippets of a page in a folder, and return how many there are.

    Fails if a snippet does not print what the page shows.
    """
    contributing = page.stem == "add-an-adapter"
    for path in WHAT_A_CONTRIBUTOR_HAS if contributing else WHAT_A_USER_HAS:
        copy(ROOT / path, folder / path)
    steps = list(snippets(page.read_text()))

    with reading(folder, data_url, variant) as reader:
        if contributing:
            reader.environment = {**reader.environment, "PYTHONPATH": str(folder / "src")}
        for step in steps:
            try:
                reader.follow(step)
            except AssertionError as error:
                pytest.fail(f"{name(page)}, line {step.line}: {error}", pytrace=False)
    return len(steps)


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, without caches."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(
            source,
            target,
            ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"),
            dirs_exist_ok=True,
        )
    else:
        shutil.copy(source, target)
