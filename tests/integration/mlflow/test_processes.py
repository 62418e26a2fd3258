"""Several processes that use one database, and what a process leaves in its working directory."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_model_store import MlflowStore
from tests.support.samples import NAME, sample_bundle

ROOT = Path(__file__).parents[3]
SAVER = "tests.integration.mlflow.saver"


@pytest.mark.slow
def test_processes_that_start_on_an_empty_folder_at_once_make_one_whole_database(
    tmp_path: Path,
) -> None:
    uri, home = f"sqlite:///{tmp_path}/new/mlflow.db", tmp_path / "home"
    command = [sys.executable, "-m", SAVER, uri, str(home), str(time.time() + 4)]
    savers = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        outputs = [saver.communicate(timeout=120) for saver in savers]
    finally:
        for saver in savers:
            saver.kill()
    assert [out for out, _ in outputs] == ["1\n"] * 3, outputs
    store = MlflowStore(uri, home)
    (version,) = store.versions(NAME)
    store.load(version).verified(sample_bundle().id, read_manifest)


@pytest.mark.slow
def test_nothing_is_left_in_the_working_directory_and_nothing_is_printed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '0'\n")
    (elsewhere / "uv.lock").write_text("version = 1\n")
    before = sorted(elsewhere.iterdir())
    home = tmp_path / "home"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {SAVER}"
    uri = "sqlite:///../home/mlflow.db"
    ran = subprocess.run(
        [sys.executable, "-c", code, uri, "../home", "0"],
        cwd=elsewhere,
        env={"HOME": str(tmp_path / "user"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")
    assert sorted(elsewhere.iterdir()) == before
    assert sorted(file.name for file in home.iterdir()) == [
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
    ]
    assert not (tmp_path / "user").exists()
    assert not [file for file in home.rglob("*") if file.name in ("uv.lock", "pyproject.toml")]
