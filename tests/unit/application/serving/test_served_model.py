import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from application.serving.served_model import Reload, ServedModel
from domain.data.schema import Schema
from domain.errors import Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion
from tests.fakes.model import MemoryBundleCache, MemoryRuntime, MemoryStore
from tests.support.followers import Clock, DistantStore, FragileCache, NoSingleRows, Watched, follow
from tests.support.houses import ALWAYS, DUMMY, HOUSES, LINEAR, RIDGE, SCHEMA, World, with_file


@pytest.fixture
def store() -> DistantStore:
    return DistantStore()


@pytest.fixture
def world(store: DistantStore) -> World:
    """A store with three versions, the first of which is champion."""
    world = World(store)
    for spec in (DUMMY, LINEAR, RIDGE):
        world.train(spec, promote=False)
    store.set_alias("houses", "champion", 1, None)
    return world


def set_champion(world: World, number: int) -> None:
    now = world.store.resolve(HOUSES).number
    world.store.set_alias("houses", "champion", number, now)


def serving_version(serving: ServedModel) -> str:
    """Return the version that predicts."""
    return PredictOne(serving.model, 1)([SCHEMA.example]).model


def counts(serving: ServedModel) -> dict[Reload, int]:
    """Return the counted outcomes."""
    return {outcome: count for outcome, count in serving.state.reloads.items() if count}


class SlowStore(MemoryStore):
    """A store that counts loads and returns bundles only after they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.requested, self.released, self.loads = Event(), Event(), 0

    def load(self, version: ModelVersion) -> Bundle:
        self.loads += 1
        self.requested.set()
        assert self.released.wait(30)
        return super().load(version)


def test_without_a_model_the_server_is_not_ready() -> None:
    serving = follow(World())
    assert not serving.ready
    assert not serving.state.degraded
    with pytest.raises(Unavailable, match=r"^not ready: the model is being loaded$"):
        serving.model()


def test_the_problem_is_named_until_there_is_a_model() -> None:
    world = World()
    serving = follow(world)
    assert not serving.refresh()
    with pytest.raises(Unavailable, match=r"^not ready: no model 'houses'; there are no models"):
        serving.model()
    assert not serving.state.degraded
    world.train()
    assert serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.problem == ""


def test_the_server_follows_the_alias(world: World) -> None:
    clock = Clock()
    serving = follow(world, clock=clock)
    assert serving.refresh()
    assert (serving_version(serving), serving.state.since) == ("houses/1", ALWAYS)
    clock.forward(timedelta(hours=1))
    assert serving.refresh()
    assert serving.state.since == ALWAYS
    set_champion(world, 3)
    assert serving.refresh()
    assert (serving_version(serving), serving.state.since) == (
        "houses/3",
        ALWAYS + timedelta(hours=1),
    )
    assert counts(serving) == {Reload.LOADED: 2}
    assert not serving.state.degraded


def test_another_bundle_under_the_same_number_is_another_version(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    other = World()
    other.train(RIDGE)
    serving.load = other.load
    serving.refresh()
    assert serving.model().version == other.store.resolve(HOUSES)
    assert counts(serving) == {Reload.LOADED: 2}


def test_a_reference_by_number_ignores_aliases(world: World) -> None:
    ref = ModelRef("houses", None, 2)
    serving = ServedModel(world.load, ref, MemoryBundleCache(), Clock())
    serving.refresh()
    set_champion(world, 3)
    serving.refresh()
    assert serving_version(serving) == "houses/2"


def test_a_refresh_without_a_change_loads_no_bundle(world: World, store: DistantStore) -> None:
    serving = follow(world)
    for _ in range(5):
        serving.refresh()
    assert store.loads == 1
    assert serving.model() is serving.model()


def test_changed_aliases_of_the_served_version_are_updated(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    before = serving.model()
    world.store.set_alias("houses", "staging", 1, None)
    serving.refresh()
    assert serving.model().version.aliases == {"champion", "staging"}
    assert serving.model().predictor is before.predictor
    assert counts(serving) == {Reload.LOADED: 1}


class WatchedRuntime(MemoryRuntime):
    """A runtime that knows which of its predictors are still in memory."""

    def __init__(self) -> None:
        self.loaded: list[weakref.ref[Watched]] = []

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        predictor = Watched(super().load(schema, files))
        self.loaded.append(weakref.ref(predictor))
        return predictor

    @property
    def alive(self) -> list[bool]:
        return [predictor() is not None for predictor in self.loaded]


def test_the_previous_model_is_freed_after_its_last_request(world: World) -> None:
    runtime = WatchedRuntime()
    serving = follow(World(world.store, runtime=runtime))
    serving.refresh()
    in_flight: LoadedModel | None = serving.model()
    set_champion(world, 2)
    serving.refresh()
    assert runtime.alive == [True] * 4  # two models, each with its error-scale model
    assert in_flight is not None
    in_flight = None
    assert runtime.alive == [False, False, True, True]


def test_a_version_that_fails_a_check_is_not_served(world: World, store: DistantStore) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    set_champion(world, 2)
    assert serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.degraded
    assert serving.state.problem.startswith("houses/2: model.onnx was changed")
    assert counts(serving) == {Reload.LOADED: 1, Reload.REJECTED: 1}


def test_a_rejected_version_is_retried_only_after_the_waiting_time(
    world: World, store: DistantStore
) -> None:
    clock = Clock()
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world, clock=clock)
    serving.refresh()
    set_champion(world, 2)
    for _ in range(5):
        serving.refresh()
        clock.forward(timedelta(seconds=10))
    assert store.loads == 2
    assert serving.state.problem.startswith("houses/2: model.onnx was changed")
    clock.forward()
    serving.refresh()
    assert store.loads == 3
    assert counts(serving) == {Reload.LOADED: 1, Reload.REJECTED: 2}
    store.spoil.clear()
    clock.forward()
    serving.refresh()
    assert serving_version(serving) == "houses/2"
    assert not serving.state.degraded


def test_a_rejected_version_is_retried_when_the_alias_returns_to_it(
    world: World, store: DistantStore
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    set_champion(world, 2)
    serving.refresh()
    set_champion(world, 1)
    serving.refresh()
    assert (serving_version(serving), serving.state.problem) == ("houses/1", "")
    store.spoil.clear()
    set_champion(world, 2)
    serving.refresh()
    assert serving_version(serving) == "houses/2"


def test_a_rejection_is_named_again_when_the_registry_is_back(
    world: World, store: DistantStore
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    set_champion(world, 2)
    serving.refresh()
    rejection = serving.state.problem
    store.down = True
    serving.refresh()
    assert serving.state.problem == "the registry is down"
    store.down = False
    serving.refresh()
    assert serving.state.problem == rejection
    assert store.loads == 2


class FailingRuntime(MemoryRuntime):
    """A runtime whose second model fails for a single row."""

    loads = 0

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        self.loads += 1
        predictor = super().load(schema, files)
        return NoSingleRows(predictor) if self.loads == 3 else predictor


def test_a_version_that_cannot_predict_is_not_served(world: World) -> None:
    serving = follow(World(world.store, runtime=FailingRuntime()))
    serving.refresh()
    set_champion(world, 2)
    serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.problem == "houses/2: it cannot predict: ZeroDivisionError: no single rows"


@pytest.mark.parametrize("gone", ["down", "bundles_down"])
def test_while_the_registry_is_down_the_previous_version_is_served(
    world: World, store: DistantStore, gone: str
) -> None:
    serving = follow(world)
    serving.refresh()
    set_champion(world, 2)
    setattr(store, gone, True)
    for _ in range(3):
        assert serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.degraded
    assert serving.state.problem in ("the registry is down", "the bundles are down")
    assert counts(serving) == {Reload.LOADED: 1, Reload.FAILED: 3}
    setattr(store, gone, False)
    serving.refresh()
    assert serving_version(serving) == "houses/2"
    assert (serving.state.problem, serving.state.degraded) == ("", False)


def test_a_model_that_was_removed_from_the_registry_is_still_served(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    lost = ServedModel(world.load, ModelRef("houses", "staging"), serving.cache, serving.clock)
    serving.load = follow(World()).load
    serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.problem == "no model 'houses'; there are no models yet"
    assert not lost.refresh()


def test_a_start_while_the_registry_is_down_serves_the_last_good_version_and_recovers(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    set_champion(world, 2)
    follow(world, cache).refresh()
    store.down = True
    serving = follow(world, cache)
    assert serving.refresh()
    assert serving_version(serving) == "houses/2"
    assert serving.state.degraded
    assert serving.state.problem == "the registry is down"
    assert counts(serving) == {Reload.FAILED: 1, Reload.RESTORED: 1}
    serving.refresh()
    assert counts(serving) == {Reload.FAILED: 2, Reload.RESTORED: 1}
    store.down = False
    serving.refresh()
    assert (serving_version(serving), serving.state.problem) == ("houses/2", "")
    set_champion(world, 3)
    serving.refresh()
    assert serving_version(serving) == "houses/3"


def test_restore_serves_the_last_good_version_before_the_registry_answers(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    serving, loads = follow(world, cache), store.loads
    assert serving.restore()
    assert serving_version(serving) == "houses/1"
    assert (serving.state.degraded, serving.state.problem) == (
        True,
        "the registry has not answered yet",
    )
    assert serving.refresh()
    assert (serving.state.degraded, serving.state.problem) == (False, "")
    assert counts(serving) == {Reload.RESTORED: 1}
    assert store.loads == loads


def test_a_new_champion_replaces_the_restored_version_at_the_first_refresh(world: World) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    set_champion(world, 2)
    serving = follow(world, cache)
    serving.restore()
    assert serving_version(serving) == "houses/1"
    serving.refresh()
    assert (serving_version(serving), serving.state.problem) == ("houses/2", "")
    assert counts(serving) == {Reload.RESTORED: 1, Reload.LOADED: 1}


def test_restore_with_an_empty_cache_changes_nothing(world: World) -> None:
    serving = follow(world)
    assert not serving.restore()
    assert serving.state.problem == "the model is being loaded"
    assert serving.refresh()
    assert counts(serving) == {Reload.LOADED: 1}


def test_a_broken_cache_is_named_until_the_registry_answers(
    world: World,
) -> None:
    cache = FragileCache()
    cache.broken = True
    serving = follow(world, cache)
    assert not serving.restore()
    assert serving.state.problem == (
        "the registry has not answered yet; "
        "the last good version cannot be served either: the cache is broken"
    )
    assert serving.refresh()
    assert serving.state.problem == ""


def test_restore_changes_nothing_when_there_is_a_model(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    before = serving.state
    assert serving.restore()
    assert serving.state is before


def test_a_start_with_a_broken_champion_serves_the_previous_one(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    store.spoil[2] = with_file("model.onnx", b"{}")
    set_champion(world, 2)
    serving = follow(world, cache)
    assert serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.problem.startswith("houses/2: model.onnx was changed")
    assert counts(serving) == {Reload.REJECTED: 1, Reload.RESTORED: 1}


def test_without_registry_and_cache_the_server_is_not_ready(
    world: World, store: DistantStore
) -> None:
    store.down = True
    serving = follow(world)
    assert not serving.refresh()
    assert serving.state.problem == "the registry is down"


def test_a_cached_version_is_not_loaded_from_the_registry(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    serving = follow(world, cache)
    for number in (1, 2, 1, 2):
        set_champion(world, number)
        serving.refresh()
    assert store.loads == 2
    store.spoil[1] = with_file("model.onnx", b"{}")
    set_champion(world, 1)
    serving.refresh()
    assert (serving_version(serving), serving.state.problem) == ("houses/1", "")


def test_a_changed_bundle_in_the_cache_is_replaced_from_the_registry(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    version = store.resolve(HOUSES)
    sound = cache.get(version.bundle_id)
    assert sound is not None
    cache._bundles[version.bundle_id] = with_file("model.onnx", b"{}")(sound)
    store.down = True
    serving = follow(world, cache)
    assert not serving.refresh()
    assert serving.state.problem.startswith(
        "the registry is down; the last good version cannot be served either: "
        "houses/1: model.onnx was changed"
    )
    store.down = False
    assert serving.refresh()
    assert cache.get(version.bundle_id) == sound


def test_a_broken_cache_is_named_and_degrades_nothing(world: World, store: DistantStore) -> None:
    cache = FragileCache()
    cache.broken = True
    serving = follow(world, cache)
    assert serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert not serving.state.degraded
    assert serving.state.cache_problem == "the cache is broken"
    cache.broken = False
    set_champion(world, 2)
    serving.refresh()
    assert serving.state.cache_problem == ""
    assert cache.last_good(HOUSES) == serving.model().version


def test_an_unexpected_error_is_raised_and_the_previous_version_is_served(world: World) -> None:
    class Faulty(MemoryStore):
        def resolve(self, ref: ModelRef) -> ModelVersion:
            raise KeyError("champion")

    serving = follow(world)
    serving.refresh()
    serving.load = follow(World(Faulty())).load
    with pytest.raises(KeyError):
        serving.refresh()
    assert serving_version(serving) == "houses/1"
    assert serving.state.problem == "internal error, see the log: KeyError"


def test_concurrent_refreshes_load_once() -> None:
    store = SlowStore()
    store.released.set()
    world = World(store)
    world.train()
    store.released.clear()
    store.requested.clear()
    loads = store.loads
    serving = follow(world)
    with ThreadPoolExecutor(8) as pool:
        refreshes = [pool.submit(serving.refresh) for _ in range(8)]
        assert store.requested.wait(30)
        assert not serving.ready
        store.released.set()
        assert all(refresh.result(30) for refresh in refreshes)
    assert store.loads == loads + 1


def test_the_previous_version_is_served_while_the_next_one_is_loaded() -> None:
    store = SlowStore()
    store.released.set()
    world = World(store)
    world.train(DUMMY)
    serving = follow(world)
    serving.refresh()
    world.train()
    store.released.clear()
    store.requested.clear()
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(serving.refresh)
        assert store.requested.wait(30)
        assert serving_version(serving) == "houses/1"
        store.released.set()
        assert refresh.result(30)
    assert serving_version(serving) == "houses/2"
