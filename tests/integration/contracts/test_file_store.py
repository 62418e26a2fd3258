from pathlib import Path

import pytest

from adapters.filesystem.file_model_store import FileStore
from application.ports import ModelStore
from tests.integration.contracts.model_store import ModelStoreContract


class TestFileStore(ModelStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ModelStore:
        return FileStore(tmp_path / "models")
