"""A real `dvc pull` with the repository's own configuration, from a local remote.

DVC runs from an environment of its own: a library it needs brings a package named `entrypoints`.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.environments import INSTALL_SECONDS, programs_of

ROOT = Path(__file__).parents[2]
POINTER = ROOT / "data" / "raw" / "housing.csv.dvc"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(INSTALL_SECONDS + 60),
]


@pytest.fixture(scope="module")
def dvc() -> Path:
    """Return the `dvc` command of an environment that is made once per machine and lock file."""
    return programs_of("dvc") / "dvc"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a fresh git repository with this repository's DVC files and nothing else."""
    repository = tmp_path / "checkout"
    for name in (".dvc/config", ".dvc/.gitignore", "data/raw/.gitignore", ".gitignore"):
        copy = repository / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy)
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    return repository


def test_pull_brings_a_file_and_proves_its_md5(dvc: Path, checkout: Path) -> None:
    content = b"longitude,latitude\n-122.23,37.88\n"
    (checkout / "data/raw/small.csv.dvc").write_text(_pointer("small.csv", content))
    _store(content, checkout.parent / "dvc-storage")

    _pull(dvc, checkout)

    assert (checkout / "data/raw/small.csv").read_bytes() == content


def test_pull_brings_the_reference_data(dvc: Path, checkout: Path, housing_csv: Path) -> None:
    reference = housing_csv.read_bytes()
    shutil.copy(POINTER, checkout / "data/raw")
    _store(reference, checkout.parent / "dvc-storage")

    _pull(dvc, checkout)

    pulled = (checkout / "data/raw/housing.csv").read_bytes()
    assert pulled == reference
    assert hashlib.md5(pulled).hexdigest() == _pointed_at()["md5"]
    assert len(pulled) == _pointed_at()["size"]


def test_git_sees_the_pointers_and_never_the_data(dvc: Path, checkout: Path) -> None:
    content = b"a,b\n1,2\n"
    (checkout / "data/raw/small.csv.dvc").write_text(_pointer("small.csv", content))
    _store(content, checkout.parent / "dvc-storage")
    _pull(dvc, checkout)

    seen = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "data/raw/small.csv.dvc" in seen
    assert "data/raw/small.csv\n" not in seen


def test_pull_without_the_bytes_fails_and_leaves_no_file(dvc: Path, checkout: Path) -> None:
    (checkout / "data/raw/small.csv.dvc").write_text(_pointer("small.csv", b"never stored"))
    (checkout.parent / "dvc-storage").mkdir()

    result = _run(dvc, checkout)

    assert result.returncode != 0
    assert not (checkout / "data/raw/small.csv").exists()


def test_dvc_stays_out_of_the_environment_of_the_project() -> None:
    assert importlib.util.find_spec("dvc") is None


def _pull(dvc: Path, checkout: Path) -> None:
    result = _run(dvc, checkout)
    assert result.returncode == 0, result.stdout + result.stderr


def _run(dvc: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    private = checkout.parent / "dvc-private"
    environment = os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(private / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(private / "system"),
        "DVC_SITE_CACHE_DIR": str(private / "cache"),
    }
    return subprocess.run(
        [dvc, "pull"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _store(content: bytes, remote: Path) -> None:
    digest = hashlib.md5(content).hexdigest()
    stored = remote / "files" / "md5" / digest[:2] / digest[2:]
    stored.parent.mkdir(parents=True)
    stored.write_bytes(content)


def _pointer(name: str, content: bytes) -> str:
    digest = hashlib.md5(content).hexdigest()
    out = {"md5": digest, "size": len(content), "hash": "md5", "path": name}
    return yaml.safe_dump({"outs": [out]}, sort_keys=False)


def _pointed_at() -> dict[str, str | int]:
    (out,) = yaml.safe_load(POINTER.read_text())["outs"]
    assert isinstance(out, dict)
    return out
