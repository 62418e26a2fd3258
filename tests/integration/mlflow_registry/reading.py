"""Looking at what was written with MLflow's own client, not through the adapter."""

from typing import TYPE_CHECKING

from adapters.mlflow.client import set_defaults

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client_of(uri: str) -> "MlflowClient":
    """Return MLflow's own client for a tracking server and registry."""
    set_defaults()
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)
