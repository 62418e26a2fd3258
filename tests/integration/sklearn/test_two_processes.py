"""Two processes that train the same, in different surroundings, make the same bundle."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.training.specification import Estimator

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "tests.integration.sklearn.training"]
SURROUNDINGS = (
    {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
    {
        "PYTHONHASHSEED": "77",
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "3",
        "TZ": "Asia/Tokyo",
    },
)

pytestmark = pytest.mark.slow


def _trained_in_each(*arguments: str) -> list[dict[str, Any]]:
    """Return what each of two processes, run side by side, tells of what it made."""
    processes = [
        subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            env={**os.environ, **neighbour_statistics},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for neighbour_statistics in SURROUNDINGS
    ]
    try:
        told = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], [error for _, error in told]
    return [json.loads(output) for output, _ in told]


def test_every_estimator_makes_the_same_bundle_whatever_the_surroundings() -> None:
    one, other = _trained_in_each()
    assert {*one} == {kind.value for kind in Estimator}
    assert len({model["bundle"] for model in one.values()}) == len(Estimator)
    for kind, model in one.items():
        assert model["files"] == other[kind]["files"], kind
        assert model["bundle"] == other[kind]["bundle"], kind


def test_the_default_makes_the_same_bundle_of_the_reference_data(housing_csv: Path) -> None:
    one, other = _trained_in_each(str(housing_csv))
    assert one["default"]["files"] == other["default"]["files"]
    assert one == other
