from pathlib import Path

import pytest

from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.rest.http_model_store import HttpStore
from application.ports import ModelStore
from domain.errors import Misconfigured
from tests.integration.contracts.model_store import (
    ModelStoreAliases,
    ModelStoreDetails,
    ModelStoreReading,
)
from tests.support.samples import CREATED, NAME, sample_bundle


@pytest.mark.slow
class TestHttpStore(ModelStoreReading, ModelStoreAliases, ModelStoreDetails):
    """Reads what MLflow's own client has saved, and moves aliases; it saves nothing."""

    @pytest.fixture
    def store(self, mlflow_server: str) -> ModelStore:
        return HttpStore(mlflow_server)

    @pytest.fixture
    def saver(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        return MlflowStore(mlflow_server, tmp_path)

    def test_it_says_which_store_saves(self, store: ModelStore) -> None:
        with pytest.raises(Misconfigured, match="MODELPORT_MODEL_STORE=mlflow"):
            store.save(NAME, sample_bundle(), CREATED, {})
        assert list(store.names()) == []
