"""Working directories for commands: empty, or with trained models."""

from pathlib import Path

import pytest

from tests.integration.program import Place, place

ROWS = 400


@pytest.fixture(scope="session")
def sample_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of simulated block groups."""
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    place(path.parent).good("data", "sample", "--rows", str(ROWS), "--out", path)
    return path


@pytest.fixture
def empty(tmp_path: Path, sample_csv: Path) -> Place:
    """A place without models; its data is the sample."""
    return place(tmp_path, MODELPORT_DATA=str(sample_csv))


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Place:
    made = place(tmp_path_factory.mktemp("trained"), MODELPORT_DATA=str(sample_csv))
    made.good("train", "--estimator", "dummy")
    made.good("train", "--estimator", "ridge")
    return made


@pytest.fixture
def trained(_trained: Place, tmp_path: Path) -> Place:
    """A copy of a place with two versions; the second, a ridge, is champion."""
    return _trained.copy(tmp_path)
