"""A real `dvc pull` with the repository's own configuration, from a local remote.

DVC runs from an environment of its own: a library it needs brings a package named `entrypoints`.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.environments import INSTALL_SECONDS, programs_of
from tests.integration.notebook_files import write_notebook
from tests.integration.program import PROGRAM

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
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, checkout / name)
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


def test_the_pipeline_runs_once_and_again_only_what_changed(dvc: Path, checkout: Path) -> None:
    for name in ("dvc.yaml", "data/housing.toml", "data/housing.champion.toml"):
        shutil.copy(ROOT / name, checkout / name)
    write_notebook(checkout / "docs/experiments/one.ipynb", ("markdown", "# Shown here"))
    for folder in ("domain", "application", "adapters/sklearn", "entrypoints/reports"):
        shutil.copytree(
            ROOT / "src" / folder,
            checkout / "src" / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    quick = {"experiments": {"folds": 2, "budget": 1, "seeds": 2}}
    (checkout / "params.yaml").write_text(yaml.safe_dump(quick))
    champion = checkout / "data/housing.champion.toml"
    champion.write_text('estimator = "ridge"\n')
    program = [str(PROGRAM), "data", "sample", "--rows", "400", "--out", "data/raw/housing.csv"]
    subprocess.run(program, cwd=checkout, check=True, capture_output=True)

    first = _run(dvc, checkout, "repro")
    assert first.returncode == 0, first.stdout + first.stderr
    _commit(checkout)
    again = _run(dvc, checkout, "repro")
    assert "Data and pipelines are up to date" in again.stdout + again.stderr
    quick["experiments"]["seeds"] = 3
    (checkout / "params.yaml").write_text(yaml.safe_dump(quick))
    changed = _run(dvc, checkout, "status", "--json")
    assert [*json.loads(changed.stdout)] == ["seeds"]

    shown = json.loads(_run(dvc, checkout, "metrics", "show", "--json").stdout)
    (figures,) = shown[""]["data"].values()
    assert figures["data"]["cv_rmse"]["ridge"] < figures["data"]["cv_rmse"]["dummy"]
    assert figures["data"]["holdout_rmse"] > 0
    assert "Shown here" in (checkout / "artifacts/experiments/report.html").read_text()
    plots = _run(dvc, checkout, "plots", "show", "--json")
    assert plots.returncode == 0, plots.stderr
    assert "ladder.csv" in plots.stdout

    committed = figures["data"]["cv_rmse"]["ridge"]
    recorded = checkout / "artifacts/experiments/metrics.json"
    recorded.write_text(recorded.read_text().replace(str(committed), "1.5"))
    compared = json.loads(_run(dvc, checkout, "metrics", "diff", "HEAD", "--json").stdout)
    (found,) = compared.values()
    assert found["cv_rmse.ridge"] == {"old": committed, "new": 1.5, "diff": 1.5 - committed}
    drawn = _run(dvc, checkout, "plots", "diff", "HEAD", "--json")
    assert drawn.returncode == 0, drawn.stderr
    assert {"ladder.csv", "learning.csv"} <= {
        Path(name).name for name in json.loads(drawn.stdout)["data"]
    }


def _commit(checkout: Path) -> None:
    """Commit what git does not ignore, and the metrics and plots as the page says."""
    who = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    kept = [f"artifacts/experiments/{n}" for n in ("metrics.json", "ladder.csv", "learning.csv")]
    subprocess.run(["git", "add", "--all"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "--force", *kept], cwd=checkout, check=True)
    subprocess.run(["git", *who, "commit", "--quiet", "-m", "all"], cwd=checkout, check=True)


def test_dvc_stays_out_of_the_environment_of_the_project() -> None:
    assert importlib.util.find_spec("dvc") is None


def _pull(dvc: Path, checkout: Path) -> None:
    result = _run(dvc, checkout)
    assert result.returncode == 0, result.stdout + result.stderr


def _run(dvc: Path, checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    private = checkout.parent / "dvc-private"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MODELPORT_")}
    environment = ours | {
        "MODELPORT_VARIANT": "api-baseline",
        "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(private / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(private / "system"),
        "DVC_SITE_CACHE_DIR": str(private / "cache"),
    }
    return subprocess.run(
        [dvc, *(words or ["pull"])],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
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
