from pathlib import Path

import pytest

from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.rest.http_model_store import HttpStore
from application.ports import ModelStore
from domain.errors import Misconfigured
from tests.integration.contracts.model_store import ModelStoreContract
from tests.support.samples import CREATED, NAME, sample_bundle


@pytest.mark.slow
class TestHttpStore(ModelStoreContract):
    """Reads versions and sets aliases over REST; MLflow's client saves."""

    @pytest.fixture
    def store(self, mlflow_server: str, tmp_path: Path) -> ModelStore:
        saver = MlflowStore(mlflow_server, tmp_path)
        return HttpStore(mlflow_server, lock_file=tmp_path / "mlflow.lock", saver=saver)


@pytest.mark.slow
def test_without_a_saver_the_error_names_the_store_that_saves(mlflow_server: str) -> None:
    store = HttpStore(mlflow_server)
    with pytest.raises(Misconfigured, match="MODELPORT_MODEL_STORE=mlflow"):
        store.save(NAME, sample_bundle(), CREATED, {})
    assert list(store.names()) == []
