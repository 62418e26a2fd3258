"""The digest under which results are kept changes with the code behind them, and no other."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.wiring.provenance import code_digest

SOURCES = Path(__file__).parents[2] / "src"
START = "adapters.sklearn.sklearn_learner"
ASK = f"from entrypoints.wiring.provenance import code_digest; print(code_digest({START!r}))"


def digest(sources: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", ASK],
        env={"PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def test_it_is_that_of_the_code_a_fit_runs_through(tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
    before = digest(sources)
    assert before == code_digest(START)

    for aside in ("adapters/optuna/__init__.py", "entrypoints/reports/experiments_page.py"):
        with (sources / aside).open("a") as file:
            file.write("\n# another remark\n")
    assert digest(sources) == before

    with (sources / "domain/features/encoding.py").open("a") as file:
        file.write("\n# another remark\n")
    assert digest(sources) != before


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.oracle"):
        code_digest("adapters.oracle")
