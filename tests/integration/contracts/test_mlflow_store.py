from pathlib import Path

import pytest

from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.tables.sqlite_model_store import SqliteModelStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract


class TestMlflowStoreOnSqlite(ModelStoreContract):
    """As commands are wired to it: what can be read from the tables is read from them."""

    @pytest.fixture
    def store(self, mlflow_database: str, tmp_path: Path) -> ModelStore:
        file = Path(mlflow_database.removeprefix("sqlite:///"))
        return SqliteModelStore(file, MlflowStore(mlflow_database, tmp_path))


@pytest.mark.slow
class TestMlflowStoreOnServer(ModelStoreContract):
    @pytest.fixture
    def store(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)
