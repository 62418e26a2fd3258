from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from adapters.filesystem.model_store import FileStore
from adapters.mlflow.model_store import MlflowStore
from adapters.process.model_store import ProcessStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract, ModelStoreReading


class TestFileStoreInAnotherProcess(ModelStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ModelStore]:
        store = ProcessStore(partial(FileStore, tmp_path / "models"))
        yield store
        store.close()


@pytest.mark.slow
class TestMlflowStoreInAnotherProcess(ModelStoreReading):
    """As a server reads it; the versions are saved by a program that has MLflow itself."""

    @pytest.fixture(scope="class")
    def home(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("home")

    @pytest.fixture
    def store(self, mlflow_server: str, tmp_path: Path) -> Iterator[ModelStore]:
        store = ProcessStore(partial(MlflowStore, mlflow_server, tmp_path))
        yield store
        store.close()

    @pytest.fixture
    def saver(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)
