import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.mlflow.mlflow_tracker import MlflowTracker
from tests.integration.contracts.tracker import ORIGIN, ReadBack, Recorded, TrackerContract
from tests.integration.mlflow.reading import client_of


class MlflowTrackerContract(TrackerContract):
    @pytest.fixture
    def tracker(self, uri: str, tmp_path: Path) -> MlflowTracker:
        return MlflowTracker(uri, tmp_path, ORIGIN)

    @pytest.fixture
    def recorded(self, uri: str, tmp_path: Path) -> ReadBack:
        return reader(uri, tmp_path / "read")


class TestMlflowTrackerOnSqlite(MlflowTrackerContract):
    @pytest.fixture
    def uri(self, mlflow_database: str) -> str:
        return mlflow_database


@pytest.mark.slow
class TestMlflowTrackerOnServer(MlflowTrackerContract):
    @pytest.fixture
    def uri(self, mlflow_server: str) -> str:
        return mlflow_server


def reader(uri: str, folder: Path) -> Callable[[str], Recorded]:
    def read(run_id: str) -> Recorded:
        client = client_of(uri)
        run = client.get_run(run_id)
        assert run.inputs is not None
        (data,) = [item.dataset for item in run.inputs.dataset_inputs]
        target = folder / run_id
        target.mkdir(parents=True)
        client.download_artifacts(run_id, "", str(target))
        assert run.data.tags["data.sha256"].startswith(data.digest)
        assert json.loads(data.profile or "{}")["num_rows"] == int(run.data.tags["data.rows"])
        return Recorded(
            name=client.get_experiment(run.info.experiment_id).name,
            status=run.info.status.lower(),
            params=run.data.params,
            metrics=run.data.metrics,
            tags=run.data.tags,
            artifacts={file.name: file.read_bytes() for file in target.iterdir()},
            uri=json.loads(data.source)["uri"],
            sha256=run.data.tags["data.sha256"],
            md5=run.data.tags.get("data.md5"),
            title=run.info.run_name or "",
            parent=run.data.tags.get("mlflow.parentRunId", ""),
            origin={
                "user": run.data.tags["mlflow.user"],
                "git.commit": run.data.tags["mlflow.source.git.commit"],
                "git.branch": run.data.tags["mlflow.source.git.branch"],
            },
        )

    return read
