from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from application.model.sign_model import SignModel, require_signed, sign
from application.serving.served_model import Reload, ServedModel
from domain.data.schema import Schema
from domain.errors import ArtefactRejected, NotFound
from domain.model.reference import ModelRef, ModelVersion
from domain.model.signature import detail, message, signatures
from tests.fakes.model import MemoryBundleCache, MemoryRuntime
from tests.fakes.security import MemoryKeys
from tests.support.followers import Clock
from tests.support.houses import HOUSES, LINEAR, RIDGE, SpoiledStore, World, with_file

OURS, THEIRS, NEXT = (MemoryKeys(secret) for secret in (b"ours", b"theirs", b"next"))


class Both:
    """A verifier with two keys, as there are while one follows the other."""

    keys = OURS.keys | NEXT.keys

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        return any(keys.verifies(key, message, signature) for keys in (OURS, NEXT))


class Unread(MemoryRuntime):
    """A runtime that must not see a model."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        raise AssertionError("a parser has seen the model")


@pytest.fixture
def world() -> World:
    """A store with a champion that nobody has signed."""
    world = World()
    world.train(LINEAR)
    return world


def signed(world: World, keys: MemoryKeys, number: int = 1) -> ModelVersion:
    return SignModel(world.store, keys, read_manifest)(ModelRef("houses", None, number))


def test_a_version_signed_by_a_trusted_key_is_loaded(world: World) -> None:
    version = signed(world, OURS)
    assert [*signatures(version.details)] == [OURS.key]
    loaded = LoadModel(world.store, world.runtime, read_manifest, OURS)(HOUSES)
    assert loaded.version == version


def test_without_trusted_keys_a_signature_is_not_asked_for(world: World) -> None:
    require_signed(world.store.resolve(HOUSES), None)
    assert LoadModel(world.store, world.runtime, read_manifest)(HOUSES).version.number == 1


def test_an_unsigned_version_is_refused_before_it_is_read(world: World) -> None:
    load = LoadModel(world.store, Unread(), read_manifest, OURS)
    allowed = f"allowed: signed by {OURS.key}"
    with pytest.raises(ArtefactRejected, match=f"houses/1: it is not signed; {allowed}"):
        load(HOUSES)
    with pytest.raises(ArtefactRejected, match="it is not signed"):
        load.portable(load.store.resolve(HOUSES))


def test_the_signature_of_another_key_is_refused_and_named(world: World) -> None:
    signed(world, THEIRS)
    with pytest.raises(ArtefactRejected, match=f"it is signed by {THEIRS.key} only; allowed"):
        LoadModel(world.store, Unread(), read_manifest, OURS)(HOUSES)


def test_the_signature_of_another_bundle_is_refused(world: World) -> None:
    other = OURS.sign(message("0" * 64))
    world.store.annotate(world.store.resolve(HOUSES), detail(OURS.key, other))
    with pytest.raises(ArtefactRejected, match=f"the signature by {OURS.key} is not one of this"):
        LoadModel(world.store, Unread(), read_manifest, OURS)(HOUSES)


def test_another_key_s_signature_under_a_trusted_name_is_refused(world: World) -> None:
    version = world.store.resolve(HOUSES)
    forged = THEIRS.sign(message(version.bundle_id))
    world.store.annotate(version, detail(OURS.key, forged))
    with pytest.raises(ArtefactRejected, match="is not one of this bundle"):
        LoadModel(world.store, Unread(), read_manifest, OURS)(HOUSES)


def test_a_signed_bundle_that_was_changed_is_refused() -> None:
    store = SpoiledStore()
    world = World(store)
    world.train(LINEAR)
    signed(world, OURS)
    for name in ("model.onnx", "manifest.json"):
        store.spoil[1] = with_file(name, b"{}")
        with pytest.raises(ArtefactRejected, match=rf"{name}.*(changed|not the one)"):
            LoadModel(store, Unread(), read_manifest, OURS)(HOUSES)


def test_what_is_not_whole_is_not_signed() -> None:
    store = SpoiledStore()
    world = World(store)
    world.train(LINEAR)
    store.spoil[1] = with_file("model.onnx", b"{}")
    with pytest.raises(ArtefactRejected, match=r"model\.onnx was changed"):
        signed(world, OURS)
    assert signatures(store.resolve(HOUSES).details) == {}
    with pytest.raises(NotFound):
        signed(world, OURS, number=7)


def test_one_key_follows_another_without_a_gap(world: World) -> None:
    signed(world, OURS)
    by_both = LoadModel(world.store, world.runtime, read_manifest, Both())
    assert by_both(HOUSES).version.number == 1
    signed(world, NEXT)
    for verifier in (OURS, NEXT, Both()):
        assert (
            LoadModel(world.store, world.runtime, read_manifest, verifier)(HOUSES).version.number
            == 1
        )
    with pytest.raises(ArtefactRejected):
        LoadModel(world.store, world.runtime, read_manifest, THEIRS)(HOUSES)


def test_signing_again_changes_nothing(world: World) -> None:
    version = signed(world, OURS)
    assert sign(world.store, OURS, version) is version
    assert sign(world.store, None, version) is version


def test_training_signs_what_it_registers_also_what_was_there(world: World) -> None:
    signing = replace(world, signer=OURS)
    report = signing.train(LINEAR)
    assert (report.version.number, [*signatures(report.version.details)]) == (1, [OURS.key])
    report = signing.train(RIDGE, promote=False)
    assert (report.version.number, [*signatures(report.version.details)]) == (2, [OURS.key])


def test_a_server_keeps_its_signed_version_where_the_next_one_is_not(world: World) -> None:
    signed(world, OURS)
    world.train(RIDGE, promote=False)
    cache = MemoryBundleCache()
    load = LoadModel(world.store, world.runtime, read_manifest, OURS)
    serving = ServedModel(load, HOUSES, cache, Clock())
    assert serving.refresh()
    world.promote(ModelRef("houses", None, 2))
    serving.refresh()
    assert serving.model().version.number == 1
    assert serving.state.problem.startswith("houses/2: it is not signed")
    assert serving.state.reloads[Reload.REJECTED] == 1


def test_a_server_recalls_only_what_is_signed_by_keys_that_are_trusted_now(world: World) -> None:
    cache = MemoryBundleCache()
    signed(world, OURS)
    ServedModel(
        LoadModel(world.store, world.runtime, read_manifest, OURS), HOUSES, cache, Clock()
    ).refresh()
    assert ServedModel(
        LoadModel(world.store, world.runtime, read_manifest, OURS), HOUSES, cache, Clock()
    ).restore()
    revoked = ServedModel(
        LoadModel(world.store, world.runtime, read_manifest, NEXT), HOUSES, cache, Clock()
    )
    assert not revoked.restore()
    assert f"it is signed by {OURS.key} only" in revoked.state.problem
