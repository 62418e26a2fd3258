import pickle

import pytest

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from domain.errors import ArtefactRejected, NotFound, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion
from tests.fakes.model import MemoryRuntime
from tests.support.houses import (
    DUMMY,
    HOUSES,
    LINEAR,
    SCHEMA,
    SkewedRuntime,
    SpoiledStore,
    World,
    with_file,
)


def _world() -> tuple[World, SpoiledStore]:
    store = SpoiledStore()
    world = World(store)
    world.train()
    return world, store


def test_a_model_is_loaded_by_alias_and_by_number() -> None:
    world, _ = _world()
    model = world.load(HOUSES)
    assert model.version == world.load(ModelRef("houses", None, 1)).version
    assert model.manifest.schema == SCHEMA
    matrix = SCHEMA.encode_records([SCHEMA.example])
    assert model.predictor.predict(matrix).shape == (1,)


@pytest.mark.parametrize("ref", ["flats", "houses@best", "houses/2"])
def test_what_is_not_there_is_not_found(ref: str) -> None:
    world, _ = _world()
    with pytest.raises(NotFound):
        world.load(ModelRef.parse(ref))


@pytest.mark.parametrize("name", ["manifest.json", "golden.json", "model.onnx", "features.json"])
def test_a_tampered_file_is_rejected_by_version_and_name(name: str) -> None:
    world, store = _world()
    store.spoil[1] = with_file(name, b"[" * 100_000)
    with pytest.raises(ArtefactRejected, match=rf"^houses/1: {name}.*SHA-256"):
        world.load(HOUSES)


def test_a_bundle_of_another_version_is_rejected() -> None:
    world, store = _world()
    other = store.load(world.train(DUMMY).version)
    store.spoil[1] = lambda _: other
    with pytest.raises(ArtefactRejected, match=r"^houses/1: manifest\.json is not the one"):
        world.load(HOUSES)


def test_a_model_that_fails_its_golden_rows_is_rejected() -> None:
    world, _ = _world()
    load = LoadModel(world.store, SkewedRuntime(), read_manifest)
    with pytest.raises(ArtefactRejected, match=r"^houses/1: golden rows: predictions differ"):
        load(HOUSES)


def _registered(world: World, files: dict[str, bytes]) -> ModelVersion:
    """Register a bundle whose checksums are right, whatever its files are worth."""
    report = world.train(LINEAR)
    bundle = world.store.load(report.version)
    manifest = bundle.verified(report.version.bundle_id, read_manifest)
    sealed = Bundle.seal(manifest, files)
    return world.store.save("houses", sealed, report.version.created_at, {})


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("golden.json", None, "the bundle has no golden.json"),
        ("golden.json", b"{}", "golden.json cannot be read"),
        ("model.onnx", None, "the bundle has no model.onnx"),
        ("model.onnx", b"no model", "cannot be read"),
    ],
)
def test_a_registered_bundle_that_is_no_model_is_rejected(
    name: str, content: bytes | None, why: str
) -> None:
    world, store = _world()
    sound = store.load(store.resolve(HOUSES)).files
    files = {n: c for n, c in sound.items() if n not in (name, Bundle.MANIFEST)}
    version = _registered(world, files if content is None else {**files, name: content})
    with pytest.raises(ArtefactRejected) as error:
        world.load.version(version)
    assert str(error.value).startswith(f"{version.label}: ")
    assert why in str(error.value)


def test_a_store_that_cannot_be_reached_is_not_taken_for_a_broken_model() -> None:
    class Away(SpoiledStore):
        def load(self, version: ModelVersion) -> Bundle:
            raise Unavailable("registry is down")

    world = World(Away())
    world.train()
    with pytest.raises(Unavailable, match=r"^registry is down$"):
        LoadModel(world.store, MemoryRuntime(), read_manifest)(HOUSES)


def test_a_model_that_was_sent_is_checked_and_loaded_once_without_a_store() -> None:
    world, _ = _world()
    sent = world.load.portable(world.store.resolve(HOUSES))
    arrived = pickle.loads(pickle.dumps(sent))
    assert (arrived.version, arrived.bundle) == (sent.version, sent.bundle)
    assert arrived.loaded is arrived.loaded
    matrix = SCHEMA.encode_records([SCHEMA.example])
    answers = [model.loaded.predictor.predict(matrix).tobytes() for model in (sent, arrived)]
    assert answers[0] == answers[1]


def test_a_model_that_was_damaged_on_its_way_is_rejected() -> None:
    world, store = _world()
    store.spoil[1] = with_file("model.onnx", b"something else")
    with pytest.raises(ArtefactRejected, match=r"^houses/1: model.onnx.*SHA-256"):
        _ = world.load.portable(world.store.resolve(HOUSES)).loaded
