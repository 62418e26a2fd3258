from pathlib import Path

import pytest

from adapters.mlflow.model_store import MlflowStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract


class TestMlflowStoreOnSqlite(ModelStoreContract):
    @pytest.fixture
    def store(self, mlflow_database: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_database, tmp_path)


@pytest.mark.slow
class TestMlflowStoreOnServer(ModelStoreContract):
    @pytest.fixture
    def store(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)
