"""Every store and the cache: only bundles that a trusted key has signed are loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.ed25519.signing_keys import FileSigner, FileVerifier, create_key
from adapters.filesystem.file_bundle_cache import FileBundleCache
from adapters.filesystem.file_model_store import FileStore
from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.mlflow.rest.http_model_store import HttpStore
from application.model.load_model import LoadModel
from application.model.sign_model import SignModel
from application.ports import ModelStore
from application.serving.served_model import ServedModel
from domain.errors import ArtefactRejected
from domain.model.reference import ModelRef, ModelVersion
from domain.model.signature import detail, message
from entrypoints.wiring.builders import now
from tests.fakes.model import MemoryRuntime
from tests.integration.contracts.model_store import save
from tests.support.samples import NAME, sample_bundle

REF = ModelRef(NAME, None, 1)


class Stores:
    """A store with `orchard/1`, which is not signed, and a second adapter of the same store."""

    def __init__(self, saver: ModelStore, reader: ModelStore) -> None:
        self.saver, self.reader = saver, reader
        self.version = save(saver)


@pytest.fixture
def file_store(tmp_path: Path) -> Stores:
    store = FileStore(tmp_path / "models")
    return Stores(store, store)


@pytest.fixture
def mlflow_store(mlflow_database: str, tmp_path: Path) -> Stores:
    store = MlflowStore(mlflow_database, tmp_path)
    return Stores(store, store)


@pytest.fixture
def http_store(mlflow_server: str, tmp_path: Path) -> Stores:
    return Stores(MlflowStore(mlflow_server, tmp_path), HttpStore(mlflow_server))


@pytest.fixture(
    params=[
        "file_store",
        "mlflow_store",
        pytest.param("http_store", marks=pytest.mark.slow),
    ]
)
def stores(request: pytest.FixtureRequest) -> Stores:
    found: Stores = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys `ours`, `next` and `theirs`."""
    for name in ("ours", "next", "theirs"):
        create_key(tmp_path / name, tmp_path / f"{name}.pem")
    return tmp_path


def load(stores: Stores, keys: Path, *trusted: str) -> ModelVersion:
    """Load the version with these trusted keys."""
    joined = keys / "trusted"
    joined.write_bytes(b"".join((keys / f"{name}.pem").read_bytes() for name in trusted))
    loading = LoadModel(stores.reader, MemoryRuntime(), read_manifest, FileVerifier(joined))
    return loading(REF).version


def test_only_a_version_that_a_trusted_key_has_signed_is_loaded(stores: Stores, keys: Path) -> None:
    with pytest.raises(ArtefactRejected, match="orchard/1: it is not signed"):
        load(stores, keys, "ours")
    SignModel(stores.reader, FileSigner(keys / "theirs"), read_manifest)(REF)
    with pytest.raises(ArtefactRejected, match=r"it is signed by [0-9a-f]{16} only"):
        load(stores, keys, "ours")
    signed = SignModel(stores.reader, FileSigner(keys / "ours"), read_manifest)(REF)
    assert load(stores, keys, "ours") == signed
    assert signed.bundle_id == stores.version.bundle_id == sample_bundle().id


def test_a_version_with_two_signatures_allows_a_change_of_keys(stores: Stores, keys: Path) -> None:
    SignModel(stores.saver, FileSigner(keys / "ours"), read_manifest)(REF)
    assert load(stores, keys, "ours", "next").number == 1
    SignModel(stores.saver, FileSigner(keys / "next"), read_manifest)(REF)
    assert load(stores, keys, "ours").number == 1
    assert load(stores, keys, "next").number == 1


def test_a_forged_signature_is_rejected(stores: Stores, keys: Path) -> None:
    ours, theirs = FileSigner(keys / "ours"), FileSigner(keys / "theirs")
    for forged in (
        theirs.sign(message(stores.version.bundle_id)),
        ours.sign(message("0" * 64)),
        b"",
    ):
        stores.saver.annotate(stores.version, detail(ours.key, forged))
        with pytest.raises(ArtefactRejected, match="is not one of this bundle"):
            load(stores, keys, "ours")


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_file_that_was_changed_after_signing_is_rejected(
    keys: Path, tmp_path: Path, file_store: Stores, name: str
) -> None:
    SignModel(file_store.saver, FileSigner(keys / "ours"), read_manifest)(REF)
    (found,) = (tmp_path / "models/bundles").glob(f"*/{name}")
    found.write_bytes(found.read_bytes() + b" ")
    with pytest.raises(ArtefactRejected, match=name):
        load(file_store, keys, "ours")


def _change_bundle(folder: Path) -> None:
    (found,) = folder.glob("*/model.onnx")
    found.write_bytes(b"{}")


def _change_signature(folder: Path) -> None:
    (found,) = (folder / "last").iterdir()
    text = found.read_text()
    at = text.index('"signature.') + len('"signature.0123456789abcdef": "')
    found.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])


@pytest.mark.parametrize("change", [_change_bundle, _change_signature])
def test_a_change_in_the_cache_is_rejected(
    keys: Path, tmp_path: Path, file_store: Stores, change: Callable[[Path], None]
) -> None:
    SignModel(file_store.saver, FileSigner(keys / "ours"), read_manifest)(REF)
    loading = LoadModel(
        file_store.saver, MemoryRuntime(), read_manifest, FileVerifier(keys / "ours.pem")
    )
    cache = FileBundleCache(tmp_path / "cache")
    assert ServedModel(loading, REF, cache, now).refresh()
    assert ServedModel(loading, REF, cache, now).restore()
    change(tmp_path / "cache")
    changed = ServedModel(loading, REF, cache, now)
    assert not changed.restore()
    assert "the last good version cannot be served either: orchard/1" in changed.state.problem
    assert changed.refresh()
