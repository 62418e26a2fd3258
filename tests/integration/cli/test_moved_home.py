"""A home folder that was moved, copied or reached by another path: files are where it is now."""

import shutil
from pathlib import Path

import pytest

from tests.integration.cli.files import tree
from tests.integration.program import Place, place

pytestmark = pytest.mark.slow


@pytest.fixture(params=["api-baseline", "main"])
def first(
    request: pytest.FixtureRequest, tmp_path: Path, sample_csv: Path, mlflow_tables: Path
) -> Place:
    """A place with a champion; its home folder is `first home`."""
    home = tmp_path / "first home"
    home.mkdir()
    if request.param == "main":
        shutil.copy(mlflow_tables, home / "mlflow.db")
    where = place(tmp_path, request.param, MODELPORT_DATA=str(sample_csv), MODELPORT_HOME=str(home))
    where.good("train", "--estimator", "ridge")
    return where


def in_home(where: Place, home: Path, **settings: str) -> Place:
    return where.having(MODELPORT_HOME=str(home), **settings)


@pytest.mark.parametrize("accelerators", ["all", "none"])
def test_a_moved_home_keeps_its_champion_and_writes_nothing_to_the_old_place(
    first: Place, tmp_path: Path, accelerators: str
) -> None:
    before = first.good("predict-one", "--json").document
    (tmp_path / "first home").rename(tmp_path / "second")
    second = in_home(first, tmp_path / "second", MODELPORT_ACCELERATORS=accelerators)
    assert second.good("predict-one", "--json").document == before
    weaker = second.call("train", "--estimator", "dummy", "--json")
    assert weaker.code == 3
    assert "of housing/1" in weaker.document["reasons"][0]
    assert second.good("predict-one", "--json").document == before
    assert (
        second.good("evaluate", "--model", "housing/2", "--json").document["model"] == "housing/2"
    )
    assert not (tmp_path / "first home").exists()


def test_a_copied_home_leaves_the_original_as_it_was(first: Place, tmp_path: Path) -> None:
    original, copied = tmp_path / "first home", tmp_path / "copy"
    shutil.copytree(original, copied)
    before = tree(original)
    second = in_home(first, copied)
    assert second.call("train", "--estimator", "dummy").code == 3
    assert second.good("models", "promote", "housing/2", "--json").document["changed"]
    assert tree(original) == before
    shutil.rmtree(original)
    assert second.good("predict-one", "--json").document["model"] == "housing/2"
    second.good("predict-one", "--model", "housing/1", "--json")


def test_a_home_is_the_same_by_a_link_or_a_relative_path(first: Place, tmp_path: Path) -> None:
    before = first.good("predict-one", "--json").document
    (tmp_path / "link").symlink_to("first home")
    linked = in_home(first, tmp_path / "link")
    assert linked.call("train", "--estimator", "dummy").code == 3
    relative = in_home(first, Path("first home"))
    assert relative.good("predict-one", "--json").document == before
    relative.good("predict-one", "--model", "housing/2")
    assert {path.name for path in tmp_path.iterdir()} == {"first home", "link"}


def test_a_copy_that_cannot_be_written_can_be_read(first: Place, tmp_path: Path) -> None:
    before = first.good("predict-one", "--json").document
    copied = tmp_path / "copy"
    (tmp_path / "first home").rename(copied)
    files = [copied, *copied.rglob("*")]
    for file in files:
        file.chmod(0o555 if file.is_dir() else 0o444)
    try:
        assert in_home(first, copied).good("predict-one", "--json").document == before
    finally:
        for file in files:
            file.chmod(0o755)


def test_a_champion_without_its_files_is_not_replaced_without_a_comparison(
    first: Place, tmp_path: Path
) -> None:
    home = tmp_path / "first home"
    for folder in ("models/bundles", "mlartifacts"):
        shutil.rmtree(home / folder, ignore_errors=True)
    ran = first.call("train", "--estimator", "dummy", "--json")
    assert ran.code == 3
    assert "housing/1 cannot be compared" in ran.document["reasons"][0]
    first.good("models", "promote", "housing/2")


def test_the_name_of_an_experiment_outside_of_the_home_is_refused(
    tmp_path: Path, sample_csv: Path, mlflow_tables: Path
) -> None:
    (tmp_path / "artifacts").mkdir()
    shutil.copy(mlflow_tables, tmp_path / "artifacts/mlflow.db")
    where = place(tmp_path, "main", MODELPORT_DATA=str(sample_csv))
    schema = Path(where.settings["MODELPORT_SCHEMA"]).read_text()
    (tmp_path / "default.toml").write_text(schema.replace('"housing"', '"Default"', 1))
    ran = where.call("train", "--schema", "default.toml", "--estimator", "dummy")
    assert ran.code == 78
    assert "which is not in the home folder" in ran.err
