"""Stores and trackers that are down, broken or half there."""

import shutil
import socket
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.mlflow_tracker import MlflowTracker
from domain.errors import ArtefactRejected, InvalidData, Misconfigured, NotFound, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef
from tests.integration.mlflow.limited_proxy import limited_proxy
from tests.integration.mlflow.reading import client_of, train
from tests.support.samples import CREATED, NAME, sample_bundle, sample_data

DETAILS = {"rmse": "2.0"}


def save(store: MlflowStore, seed: int = 0) -> int:
    return store.save(NAME, sample_bundle(seed), CREATED, DETAILS).number


@pytest.mark.timeout(60)  # MLflow itself tries for four minutes
def test_a_server_that_is_down_is_soon_named_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        port = unused.getsockname()[1]
        uri = f"http://me:s3cret@127.0.0.1:{port}"
        store = MlflowStore(uri, tmp_path)
        with pytest.raises(Unavailable, match=f"http://127.0.0.1:{port}: .*not answer") as down:
            store.resolve(ModelRef(NAME))
        assert "s3cret" not in str(down.value)
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
            save(store)
        with (
            pytest.raises(Unavailable, match=f"127.0.0.1:{port}") as untracked,
            MlflowTracker(uri, tmp_path).run(NAME, {}, sample_data()),
        ):
            pytest.fail("a run began that cannot be recorded")
        assert "s3cret" not in str(untracked.value)


@pytest.mark.timeout(60)  # MLflow itself tries for nearly two minutes
@pytest.mark.parametrize("what", ["a folder", "no database", "below a file", "another server"])
def test_a_database_that_cannot_be_opened_is_soon_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "mlflow.db"
    uri = f"sqlite:///{path}"
    if what == "a folder":
        path.mkdir()
    elif what == "no database":
        path.write_bytes(b"median_income,ocean_proximity\n" * 200)
    elif what == "below a file":
        path.write_bytes(b"")
        uri += "/mlflow.db"
    else:
        uri = "postgresql+psycopg://me:s3%40cret@127.0.0.1:1/mlflow"
    shown = "postgresql+psycopg://127.0.0.1:1/mlflow" if "postgres" in uri else str(path)
    for call in (lambda: MlflowStore(uri, tmp_path).names(), lambda: train(uri, tmp_path)):
        with pytest.raises(Unavailable) as down:
            call()
        assert shown in str(down.value)
        assert "cret" not in str(down.value)


@pytest.mark.parametrize("uri", ["ftp://host", "./mlruns", "file:///tmp/mlruns", "sqlite://", "x"])
def test_what_is_no_tracking_uri_is_refused_with_what_is(tmp_path: Path, uri: str) -> None:
    with pytest.raises(Misconfigured, match="is not supported; allowed: http"):
        MlflowStore(uri, tmp_path)
    with pytest.raises(Misconfigured, match="is not supported; allowed: http"):
        MlflowTracker(uri, tmp_path)


@pytest.mark.slow
def test_a_server_that_goes_down_at_any_step_leaves_no_version_and_no_alias(
    mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    direct = MlflowStore(mlflow_server, tmp_path)
    with limited_proxy(mlflow_server) as proxy:
        store = MlflowStore(proxy.url, tmp_path)
        store.save("rehearsal", sample_bundle(name="rehearsal"), CREATED, DETAILS)
        client_of(mlflow_server).delete_registered_model("rehearsal")
        failed = []
        for requests in _limits(proxy.forwarded):
            proxy.allow(requests)
            try:
                save(store)
                break
            except Unavailable:
                failed.append(requests)
                assert direct.names() == []
                with pytest.raises(NotFound):
                    direct.resolve(ModelRef(NAME, None, 1))
        assert len(failed) > 12
        assert [version.number for version in direct.versions(NAME)] == [1]
        direct.load(direct.versions(NAME)[0]).verified(sample_bundle().id, read_manifest)
        for allowed in range(2):
            proxy.allow(allowed)
            with pytest.raises(Unavailable):
                store.set_alias(NAME, "champion", 1, None)
            assert direct.versions(NAME)[0].aliases == frozenset()


def _limits(requests: list[str]) -> list[int]:
    """Return after how many requests to fail: every number, but few within a series of uploads."""
    files = [request.startswith("PUT ") for request in requests]
    within = [all(files[max(n - 3, 0) : n + 3]) for n in range(len(files) + 1)]
    return [n for n, inside in enumerate(within) if n % 20 == 0 or not inside]


@pytest.mark.slow
def test_a_run_whose_server_goes_down_fails_and_names_it(
    mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with limited_proxy(mlflow_server) as proxy:
        tracker = MlflowTracker(proxy.url, tmp_path)
        error = RuntimeError("the fit failed")

        def fail() -> None:
            with tracker.run(NAME, {}, sample_data()) as run:
                proxy.allow(0)
                with pytest.raises(Unavailable, match=proxy.url):
                    run.log_metrics({"rmse": 1.0})
                raise error

        with pytest.raises(RuntimeError) as raised:
            fail()
        assert raised.value is error
        assert "the run could not be recorded" in raised.value.__notes__[0]


def test_a_run_that_cannot_be_described_is_failed(mlflow_database: str, tmp_path: Path) -> None:
    with (
        pytest.raises(Misconfigured, match="Invalid"),
        MlflowTracker(mlflow_database, tmp_path).run(NAME, {"a#b": 1}, sample_data()),
    ):
        pytest.fail("a run began without its parameters")
    client = client_of(mlflow_database)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


def test_a_deleted_experiment_is_not_used(mlflow_database: str, tmp_path: Path) -> None:
    client = client_of(mlflow_database)
    client.delete_experiment(client.create_experiment(NAME))
    with pytest.raises(Misconfigured, match=r"'orchard' was deleted; restore it with .* --exp"):
        save(MlflowStore(mlflow_database, tmp_path))
    assert MlflowStore(mlflow_database, tmp_path).names() == []


def test_artifacts_that_cannot_be_written_leave_no_version(
    mlflow_database: str, tmp_path: Path
) -> None:
    (tmp_path / "mlartifacts").write_text("in the way")
    store = MlflowStore(mlflow_database, tmp_path)
    with pytest.raises(Unavailable, match=r"mlflow\.db: .*mlartifacts"):
        save(store)
    assert store.names() == []
    (tmp_path / "mlartifacts").unlink()
    assert save(store) == 1


@pytest.mark.slow
def test_a_locked_database_is_unavailable_to_writers_only(
    mlflow_database: str, tmp_path: Path
) -> None:
    store = MlflowStore(mlflow_database, tmp_path)
    save(store)
    holder = sqlite3.connect(mlflow_database.removeprefix("sqlite:///"), isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        assert store.resolve(ModelRef(NAME, None, 1)).number == 1
        with pytest.raises(Unavailable, match="database is locked"):
            store.set_alias(NAME, "champion", 1, None)
    finally:
        holder.close()
    store.set_alias(NAME, "champion", 1, None)


def test_missing_files_in_a_database_registry_reject_the_bundle(
    mlflow_database: str, tmp_path: Path
) -> None:
    store = MlflowStore(mlflow_database, tmp_path)
    save(store)
    (folder,) = tmp_path.glob("mlartifacts/**/data/bundle")
    shutil.rmtree(folder)
    with pytest.raises(ArtefactRejected, match="orchard/1: the bundle is incomplete"):
        store.load(store.versions(NAME)[0])


@pytest.mark.slow
def test_missing_files_on_a_server_reject_the_bundle_and_a_server_that_is_down_does_not(
    mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with limited_proxy(mlflow_server) as proxy:
        store = MlflowStore(proxy.url, tmp_path)
        save(store)
        version = store.versions(NAME)[0]
        for allowed in range(100):
            proxy.allow(allowed)
            try:
                loaded = store.load(version)
                break
            except Unavailable:
                pass
        else:
            pytest.fail("the bundle never came")
        assert allowed > len(sample_bundle().files)
        assert dict(loaded.files) == dict(sample_bundle().files)
    source = client_of(mlflow_server).get_model_version_download_uri(NAME, "1")
    files = f"{mlflow_server}/api/2.0/mlflow-artifacts/artifacts/{urlsplit(source).path.strip('/')}"
    with urlopen(Request(files, method="DELETE"), timeout=30) as answer:
        assert answer.status == 200
    with pytest.raises(ArtefactRejected, match="orchard/1: the bundle is incomplete"):
        MlflowStore(mlflow_server, tmp_path).load(version)


def test_a_changed_file_is_loaded_unchanged_and_rejected(
    mlflow_database: str, tmp_path: Path
) -> None:
    store = MlflowStore(mlflow_database, tmp_path)
    save(store)
    (file,) = tmp_path.glob("mlartifacts/**/data/bundle/golden.json")
    file.write_bytes(file.read_bytes().replace(b"1", b"2"))
    version = store.versions(NAME)[0]
    with pytest.raises(ArtefactRejected, match=r"golden\.json was changed"):
        store.load(version).verified(version.bundle_id, read_manifest)


def test_what_others_have_registered_is_left_alone(mlflow_database: str, tmp_path: Path) -> None:
    client = client_of(mlflow_database)
    for name in (NAME, "theirs"):
        client.create_registered_model(name)
        client.create_model_version(name, "file:///nowhere", await_creation_for=0)
        client.set_registered_model_alias(name, "champion", "1")
    store = MlflowStore(mlflow_database, tmp_path)
    assert store.names() == []
    with pytest.raises(NotFound, match="no model 'theirs'"):
        store.versions("theirs")
    with pytest.raises(ArtefactRejected, match="theirs/1 was not saved by modelport"):
        store.resolve(ModelRef("theirs"))
    assert save(store) == 2
    assert [version.number for version in store.versions(NAME)] == [2]
    assert store.names() == [NAME]


def test_aliases_that_mlflow_keeps_to_itself_are_no_aliases(
    mlflow_database: str, tmp_path: Path
) -> None:
    store = MlflowStore(mlflow_database, tmp_path)
    save(store)
    with pytest.raises(NotFound, match="orchard has no alias 'latest'"):
        store.resolve(ModelRef(NAME, "latest"))
    for alias in ("latest", "v2", "a.b"):
        with pytest.raises(Misconfigured, match=alias):
            store.set_alias(NAME, alias, 1, None)
    with pytest.raises(NotFound, match=r"orchard has no alias 'a\.b'"):
        store.resolve(ModelRef(NAME, "a.b"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_file_is_kept_under_a_plain_name_or_not_at_all(
    mlflow_database: str, tmp_path: Path, name: str
) -> None:
    store = MlflowStore(mlflow_database, tmp_path)
    tracker = MlflowTracker(mlflow_database, tmp_path)
    bundle = sample_bundle()
    manifest = bundle.verified(bundle.id, read_manifest)
    others = {file: content for file, content in bundle.files.items() if file in manifest.files}
    with pytest.raises(InvalidData, match="is not a plain file name"):
        store.save(NAME, Bundle.seal(manifest, {**others, name: b"x"}), CREATED, {})
    assert store.names() == []
    with (
        pytest.raises(InvalidData, match="is not a plain file name"),
        tracker.run(NAME, {}, sample_data()) as run,
    ):
        run.log_artifact(name, b"x")
