"""Reads of MLflow's tables give what MLflow gives; MLflow's client does the rest."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.tables.sqlite_model_store import SqliteModelStore
from domain.errors import ArtefactRejected, NotFound
from domain.model.reference import ModelRef, ModelVersion
from tests.fakes.model import MemoryStore
from tests.integration.mlflow.reading import client_of
from tests.support.samples import CREATED, NAME, sample_bundle

HOME = "a folder, 100% odd #1?"
REFERENCES = [ModelRef(NAME), ModelRef(NAME, "staging"), ModelRef(NAME, None, 1)]


@pytest.fixture
def database(mlflow_database: str) -> Path:
    return Path(mlflow_database.removeprefix("sqlite:///"))


@pytest.fixture
def mlflow(mlflow_database: str, tmp_path: Path) -> MlflowStore:
    return MlflowStore(mlflow_database, tmp_path / HOME)


@pytest.fixture
def saved(mlflow: MlflowStore) -> ModelVersion:
    mlflow.save(NAME, sample_bundle(0), CREATED, {})
    version = mlflow.save(NAME, sample_bundle(1), CREATED, {"rmse": "2.0", "empty": ""})
    mlflow.set_alias(NAME, "champion", 2, None)
    mlflow.set_alias(NAME, "staging", 2, None)
    return version


@pytest.fixture
def alone(database: Path) -> SqliteModelStore:
    """A store whose `ordinary` store is empty."""
    return SqliteModelStore(database, MemoryStore())


@pytest.mark.usefixtures("saved")
def test_the_tables_of_the_installed_mlflow_are_read_as_it_reads_them(
    alone: SqliteModelStore, mlflow: MlflowStore
) -> None:
    for reference in REFERENCES:
        version = alone.resolve(reference)
        assert version == mlflow.resolve(reference)
        assert alone.load(version) == mlflow.load(version)
    assert alone.names() == mlflow.names() == [NAME]
    assert alone.versions(NAME) == mlflow.versions(NAME)


def test_a_bundle_is_found_by_one_query(
    alone: SqliteModelStore, saved: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def counting(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counting)
    for read in (alone.load, alone.manifest):
        statements.clear()
        read(saved)
        revision, source = [text for text in statements if text.startswith("SELECT")]
        assert "alembic_version" in revision
        assert "model_versions" in source


def _other_revision(database: Path) -> None:
    _execute(database, "UPDATE alembic_version SET version_num = 'later'")


def _other_tables(database: Path) -> None:
    _execute(database, "DROP TABLE model_version_tags")


def _no_tables(database: Path) -> None:
    _execute(database, "DELETE FROM alembic_version")


def _no_database(database: Path) -> None:
    database.unlink()


def _another_file(database: Path) -> None:
    database.write_bytes(b"median_income,ocean_proximity\n" * 200)


def _execute(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as tables, tables:
        tables.execute(statement)


@pytest.mark.parametrize(
    "change", [_other_revision, _other_tables, _no_tables, _no_database, _another_file]
)
def test_a_database_that_is_not_known_is_left_to_the_other_store(
    database: Path, saved: ModelVersion, change: Callable[[Path], None]
) -> None:
    other = MemoryStore()
    elsewhere = other.save(NAME, sample_bundle(7), CREATED, {})
    store = SqliteModelStore(database, other)
    assert store.resolve(ModelRef(NAME, None, 1)) != elsewhere
    change(database)
    assert store.resolve(ModelRef(NAME, None, 1)) == elsewhere
    assert store.load(elsewhere) == sample_bundle(7)
    assert (store.names(), store.versions(NAME)) == ([NAME], [elsewhere])


def test_workspaces_are_left_to_the_other_store(
    alone: SqliteModelStore, saved: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alone.resolve(ModelRef(NAME)) == alone.resolve(ModelRef(NAME, None, saved.number))
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    with pytest.raises(NotFound):
        alone.resolve(ModelRef(NAME))


def test_what_the_tables_do_not_hold_is_left_to_the_other_store(
    alone: SqliteModelStore,
    mlflow: MlflowStore,
    mlflow_database: str,
    saved: ModelVersion,
    tmp_path: Path,
) -> None:
    client_of(mlflow_database).delete_model_version(NAME, "1")
    for unknown in ("orchard/1", "orchard/3", "orchard@latest", "orchard@Champion", "vineyard"):
        with pytest.raises(NotFound):
            alone.resolve(ModelRef.parse(unknown))
    assert [version.number for version in alone.versions(NAME)] == [2]
    with pytest.raises(NotFound):
        alone.versions("vineyard")
    together = SqliteModelStore(alone.database, mlflow)
    with pytest.raises(NotFound, match=r"has no version 1.*2"):
        together.resolve(ModelRef(NAME, None, 1))
    shutil.rmtree(tmp_path / HOME)
    with pytest.raises(ArtefactRejected, match="the bundle is incomplete"):
        together.load(saved)


def test_a_version_of_others_is_not_taken_for_ours(
    alone: SqliteModelStore, mlflow_database: str, tmp_path: Path
) -> None:
    client = client_of(mlflow_database)
    client.create_registered_model("theirs")
    client.create_model_version("theirs", tmp_path.as_uri())
    with pytest.raises(ArtefactRejected, match="theirs/1 was not saved by modelport"):
        alone.resolve(ModelRef("theirs", None, 1))
    assert alone.names() == []
    with pytest.raises(NotFound):
        alone.versions("theirs")


@pytest.mark.parametrize("source", ["models:/m-1", "s3://bucket/m", "file://host/m"])
def test_files_elsewhere_are_left_to_the_other_store(
    alone: SqliteModelStore, database: Path, saved: ModelVersion, source: str
) -> None:
    with closing(sqlite3.connect(database)) as tables, tables:
        tables.execute("UPDATE model_versions SET source = ?, storage_location = ''", (source,))
    assert alone.resolve(ModelRef(NAME)).bundle_id == saved.bundle_id
    with pytest.raises(NotFound):
        alone.load(saved)
