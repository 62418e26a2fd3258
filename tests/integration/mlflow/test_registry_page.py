"""What people see in MLflow of a model that was trained: read with MLflow's own client."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_model_store import MlflowStore
from domain.model.reference import ModelRef
from tests.integration.mlflow.reading import client_of, train
from tests.support.samples import CREATED, NAME, SCHEMA, sample_bundle, sample_data


@pytest.fixture(
    params=["mlflow_database", pytest.param("mlflow_server", marks=pytest.mark.slow)],
    ids=["sqlite", "server"],
)
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_the_run_the_model_and_the_version_lead_to_each_other(uri: str, tmp_path: Path) -> None:
    report = train(uri, tmp_path)
    client = client_of(uri)
    run = client.get_run(report.run_id)
    version = client.get_model_version_by_alias(NAME, "champion")
    assert int(version.version) == report.version.number == 1
    assert version.run_id == report.run_id
    assert run.outputs is not None
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.source_run_id == report.run_id
    assert model.status == "READY"
    assert [
        (linked["name"], int(linked["version"]))
        for linked in json.loads(model.tags["mlflow.modelVersions"])
    ] == [(NAME, 1)]
    assert client.get_registered_model(NAME).aliases == {"champion": version.version}


def test_the_run_has_parameters_data_and_metrics(uri: str, tmp_path: Path) -> None:
    report, data = train(uri, tmp_path), sample_data()
    client = client_of(uri)
    run = client.get_run(report.run_id)
    assert client.get_experiment(run.info.experiment_id).name == NAME
    assert run.info.status == "FINISHED"
    assert run.data.params["estimator"] == "ridge"
    assert run.data.params["parameters.alpha"] == "0.5"
    assert run.data.params["parameters.fit_intercept"] == "true"
    assert run.info.run_name == "orchard ridge"
    metrics = report.metrics.to_mapping()
    assert {name: run.data.metrics[name] for name in metrics} == metrics
    training = {f"training_{name}" for name in metrics}
    gate = {"gate.latency.row_ms", "gate.latency.budget_ms"}
    assert {*run.data.metrics} == {*metrics, *training, *gate}
    assert run.data.tags["decision"] == "there is no champion yet"
    assert run.data.tags["bundle"] == report.version.bundle_id
    assert run.data.tags["data.sha256"] == data.sha256
    assert run.data.tags["data.md5"] == data.md5
    assert run.data.tags["data.simulated"] == "false"
    assert run.inputs is not None
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "orchard-0.csv"
    assert used.dataset.digest == data.sha256[:12]
    assert json.loads(used.dataset.source) == {"uri": data.uri}
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}
    files = {file.path for file in client.list_artifacts(report.run_id)}
    pages = {"manifest.json", "decision.json", "model-card.md", "model-card.html"}
    assert files > pages
    assert {Path(name).suffix for name in files - pages} == {".svg"}


def test_the_version_describes_its_columns_and_metrics(uri: str, tmp_path: Path) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    report = train(uri, tmp_path)
    client = client_of(uri)
    version = client.get_model_version(NAME, "1")
    assert version.tags["modelport.detail.rmse"] == f"{report.metrics.rmse:.6f}"
    assert version.tags["modelport.detail.estimator"] == "ridge"
    assert version.description is not None
    assert version.description.startswith("Trees of an orchard: predicts yield (kg) from\n")
    assert "| sort | one of 'apple', 'pear', 'plüm' |  |" in version.description
    source = client.get_model_version_download_uri(NAME, "1")
    signature = Model.load(download_artifacts(f"{source}/MLmodel", tracking_uri=uri)).signature
    assert signature is not None
    assert signature.inputs.input_names() == list(SCHEMA.names)
    assert signature.inputs.optional_input_names() == ["age"]


def test_metrics_of_several_runs_can_be_compared(uri: str, tmp_path: Path) -> None:
    first, second = train(uri, tmp_path), train(uri, tmp_path, seed=1)
    client = client_of(uri)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "metrics.rmse > 0")
    assert {first.run_id, second.run_id} <= {run.info.run_id for run in runs}
    assert [version.number for version in MlflowStore(uri, tmp_path).versions(NAME)] == [1, 2]


@pytest.mark.parametrize("run", ["0" * 32, "file-run-7", ""])
def test_a_run_that_another_tracker_keeps_is_noted_but_not_linked(
    uri: str, tmp_path: Path, run: str
) -> None:
    store = MlflowStore(uri, tmp_path)
    version = store.save(NAME, sample_bundle(), CREATED, {"run": run})
    assert version.details["run"] == run
    assert not client_of(uri).get_model_version(NAME, "1").run_id


@pytest.mark.slow
def test_a_database_server_may_be_opened_without_a_server_of_mlflow(
    postgres_url: str, tmp_path: Path
) -> None:
    report = train(postgres_url, tmp_path)
    store = MlflowStore(postgres_url, tmp_path)
    champion = store.resolve(ModelRef(NAME))
    assert champion == replace(report.version, aliases=frozenset({"champion"}))
    store.load(report.version).verified(report.version.bundle_id, read_manifest)
    assert client_of(postgres_url).get_run(report.run_id).info.status == "FINISHED"
