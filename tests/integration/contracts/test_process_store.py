from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from adapters.filesystem.file_model_store import FileStore
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.process.process_model_store import ProcessStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract, ModelStoreReading


class TestFileStoreInAnotherProcess(ModelStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ModelStore]:
        with closing(ProcessStore(partial(FileStore, tmp_path / "models"))) as store:
            yield store


@pytest.fixture(scope="module")
def reading(mlflow_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelStore]:
    """A store in a process that has imported MLflow; for all tests, since that takes seconds."""
    home = tmp_path_factory.mktemp("home")
    with closing(ProcessStore(partial(MlflowStore, mlflow_process, home))) as store:
        yield store


@pytest.mark.slow
class TestMlflowStoreInAnotherProcess(ModelStoreReading):
    """As a server reads it; the versions are saved by a program that has MLflow itself."""

    @pytest.fixture
    def store(self, reading: ModelStore, mlflow_server: str) -> ModelStore:
        return reading

    @pytest.fixture
    def saver(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)
