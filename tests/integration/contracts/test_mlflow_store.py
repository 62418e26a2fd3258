from pathlib import Path

import pytest

from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.tables.sqlite_model_store import SqliteModelStore
from application.ports import ModelStore
from domain.errors import Conflict, NotFound
from domain.model.reference import ModelRef
from tests.integration.contracts.model_store import ModelStoreContract, save
from tests.integration.mlflow.reading import client_of
from tests.support.samples import NAME


class MlflowStoreContract(ModelStoreContract):
    def test_a_champion_that_was_deleted_is_a_conflict_for_its_successor(
        self, store: ModelStore, uri: str
    ) -> None:
        for seed in range(2):
            save(store, seed)
        store.set_alias(NAME, "champion", 1, None)
        client_of(uri).delete_model_version(NAME, "1")
        with pytest.raises(Conflict, match="points to no version, not to version 1"):
            store.set_alias(NAME, "champion", 2, 1)
        with pytest.raises(NotFound):
            store.resolve(ModelRef(NAME))


class TestMlflowStoreOnSqlite(MlflowStoreContract):
    """As commands are wired to it: what can be read from the tables is read from them."""

    @pytest.fixture
    def uri(self, mlflow_database: str) -> str:
        return mlflow_database

    @pytest.fixture
    def store(self, mlflow_database: str, tmp_path: Path) -> ModelStore:
        file = Path(mlflow_database.removeprefix("sqlite:///"))
        return SqliteModelStore(file, MlflowStore(mlflow_database, tmp_path))


@pytest.mark.slow
class TestMlflowStoreOnServer(MlflowStoreContract):
    @pytest.fixture
    def uri(self, mlflow_server: str) -> str:
        return mlflow_server

    @pytest.fixture
    def store(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)
