"""Servers and models that integration tests share; there only if somebody asks for them."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from shutil import copy

import pytest
import sqlalchemy as sa

from tests.integration.once import made_once
from tests.integration.processes import Postgres, running_mlflow, running_postgres
from tests.integration.program import Place, place
from tests.integration.s3 import Bucket, running_s3

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def default_model(housing_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place where `train` without options was run on the reference data; to be read only.

    What the command reported is in `report.json`.
    """

    def where(folder: Path) -> Place:
        return place(folder, MODELPORT_DATA=str(housing_csv))

    def make(folder: Path) -> None:
        report = where(folder).good("train", "--json").out
        (folder / "report.json").write_text(report)

    return where(made_once(tmp_path_factory, "default-model", make))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; each worker of pytest-xdist has its own."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that is this test's own."""
    name = f"test_{next(_NUMBERS)}"
    engine = sa.create_engine(
        postgres.url(), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} STRATEGY file_copy"))
    yield postgres.url(name)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables of an empty MLflow, which takes seconds to make; to copy."""

    def make(home: Path) -> None:
        from adapters.mlflow.mlflow_connection import MlflowConnection

        with MlflowConnection(f"sqlite:///{home / 'empty.db'}", home).client():
            pass

    return made_once(tmp_path_factory, "mlflow-tables", make) / "empty.db"


@pytest.fixture
def mlflow_database(mlflow_tables: Path, tmp_path: Path) -> str:
    """The tracking URI of an empty MLflow on SQLite that is this test's own."""
    return f"sqlite:///{copy(mlflow_tables, tmp_path / 'mlflow.db')}"


@pytest.fixture(scope="session")
def mlflow_process(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server; each worker of pytest-xdist has its own."""
    home = tmp_path_factory.mktemp("mlflow-server")
    with running_mlflow(home, Path(copy(mlflow_tables, home / "mlflow.db"))) as url:
        yield url


@pytest.fixture
def mlflow_server(mlflow_process: str) -> str:
    """The address of an MLflow server without registered models; experiments may be there."""
    from adapters.mlflow.mlflow_connection import MlflowConnection, pages

    with MlflowConnection(mlflow_process, Path()).client() as client:
        for model in list(pages(client.search_registered_models)):
            client.delete_registered_model(model.name)
    return mlflow_process


@pytest.fixture(scope="session")
def s3_process() -> Iterator[Bucket]:
    """A server that speaks S3; each worker of pytest-xdist has its own."""
    with running_s3() as bucket:
        yield bucket


@pytest.fixture
def s3(s3_process: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket, to which the variables of the process lead."""
    for name, value in s3_process.environment.items():
        monkeypatch.setenv(name, value)
    return s3_process
