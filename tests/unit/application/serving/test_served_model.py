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
from tests.support.followers import Clock, DistantStore, Dumb, FragileCache, Watched, follow
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


def appoint(world: World, number: int) -> None:
    now = world.store.resolve(HOUSES).number
    world.store.set_alias("houses", "champion", number, now)


def answering(serving: ServedModel) -> str:
    """Return the version that answers a request."""
    return PredictOne(serving.model, 1)([SCHEMA.example]).model


def counts(serving: ServedModel) -> dict[Reload, int]:
    """Return the outcomes that were counted."""
    return {outcome: count for outcome, count in serving.state.reloads.items() if count}


class SlowStore(MemoryStore):
    """A store whose bundles take until they are released, and that counts who asks for one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.released, self.loads = Event(), Event(), 0

    def load(self, version: ModelVersion) -> Bundle:
        self.loads += 1
        self.asked.set()
        assert self.released.wait(30)
        return super().load(version)


def test_nothing_is_answered_before_a_model_is_loaded() -> None:
    serving = follow(World())
    assert not serving.ready
    assert not serving.state.degraded
    with pytest.raises(Unavailable, match=r"^not ready: the model is being loaded$"):
        serving.model()


def test_the_reason_is_told_until_there_is_a_model() -> None:
    world = World()
    serving = follow(world)
    assert not serving.refresh()
    with pytest.raises(Unavailable, match=r"^not ready: no model 'houses'; there are no models"):
        serving.model()
    assert not serving.state.degraded
    world.train()
    assert serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.problem == ""


def test_the_server_follows_the_alias(world: World) -> None:
    clock = Clock()
    serving = follow(world, clock=clock)
    assert serving.refresh()
    assert (answering(serving), serving.state.since) == ("houses/1", ALWAYS)
    clock.forward(timedelta(hours=1))
    assert serving.refresh()
    assert serving.state.since == ALWAYS
    appoint(world, 3)
    assert serving.refresh()
    assert (answering(serving), serving.state.since) == ("houses/3", ALWAYS + timedelta(hours=1))
    assert counts(serving) == {Reload.LOADED: 2}
    assert not serving.state.degraded


def test_a_version_that_was_made_anew_under_its_number_is_another_one(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    other = World()
    other.train(RIDGE)
    serving.load = other.load
    serving.refresh()
    assert serving.model().version == other.store.resolve(HOUSES)
    assert counts(serving) == {Reload.LOADED: 2}


def test_a_version_of_a_number_is_served_wherever_aliases_go(world: World) -> None:
    ref = ModelRef("houses", None, 2)
    serving = ServedModel(world.load, ref, MemoryBundleCache(), Clock())
    serving.refresh()
    appoint(world, 3)
    serving.refresh()
    assert answering(serving) == "houses/2"


def test_a_poll_without_news_asks_for_no_bundle(world: World, store: DistantStore) -> None:
    serving = follow(world)
    for _ in range(5):
        serving.refresh()
    assert store.loads == 1
    assert serving.model() is serving.model()


def test_other_aliases_of_the_version_are_seen(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    before = serving.model()
    world.store.set_alias("houses", "staging", 1, None)
    serving.refresh()
    assert serving.model().version.aliases == {"champion", "staging"}
    assert serving.model().predictor is before.predictor
    assert counts(serving) == {Reload.LOADED: 1}


class WatchedRuntime(MemoryRuntime):
    """A runtime that tells which of its predictors are still in memory."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Watched]] = []

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        predictor = Watched(super().load(schema, files))
        self.made.append(weakref.ref(predictor))
        return predictor

    @property
    def alive(self) -> list[bool]:
        return [predictor() is not None for predictor in self.made]


def test_the_old_model_is_dropped_with_its_last_request(world: World) -> None:
    runtime = WatchedRuntime()
    serving = follow(World(world.store, runtime=runtime))
    serving.refresh()
    in_flight: LoadedModel | None = serving.model()
    appoint(world, 2)
    serving.refresh()
    assert runtime.alive == [True] * 4  # two models, each with its spread model
    assert in_flight is not None
    in_flight = None
    assert runtime.alive == [False, False, True, True]


def test_a_version_that_fails_a_check_leaves_the_old_one_serving(
    world: World, store: DistantStore
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    appoint(world, 2)
    assert serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.degraded
    assert serving.state.problem.startswith("houses/2: model.onnx was changed")
    assert counts(serving) == {Reload.LOADED: 1, Reload.REJECTED: 1}


def test_a_rejected_version_is_tried_again_only_after_some_time(
    world: World, store: DistantStore
) -> None:
    clock = Clock()
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world, clock=clock)
    serving.refresh()
    appoint(world, 2)
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
    assert answering(serving) == "houses/2"
    assert not serving.state.degraded


def test_a_rejected_version_is_tried_again_when_the_alias_comes_back_to_it(
    world: World, store: DistantStore
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    appoint(world, 2)
    serving.refresh()
    appoint(world, 1)
    serving.refresh()
    assert (answering(serving), serving.state.problem) == ("houses/1", "")
    store.spoil.clear()
    appoint(world, 2)
    serving.refresh()
    assert answering(serving) == "houses/2"


def test_a_rejection_is_told_again_when_the_store_comes_back(
    world: World, store: DistantStore
) -> None:
    store.spoil[2] = with_file("model.onnx", b"{}")
    serving = follow(world)
    serving.refresh()
    appoint(world, 2)
    serving.refresh()
    rejection = serving.state.problem
    store.down = True
    serving.refresh()
    assert serving.state.problem == "the registry is down"
    store.down = False
    serving.refresh()
    assert serving.state.problem == rejection
    assert store.loads == 2


class DumbRuntime(MemoryRuntime):
    """A runtime whose second model, loaded after the first and its spread, is dumb to one row."""

    loads = 0

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        self.loads += 1
        predictor = super().load(schema, files)
        return Dumb(predictor) if self.loads == 3 else predictor


def test_a_version_that_cannot_answer_a_request_is_not_served(world: World) -> None:
    serving = follow(World(world.store, runtime=DumbRuntime()))
    serving.refresh()
    appoint(world, 2)
    serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.problem == "houses/2: it cannot predict: ZeroDivisionError: no single rows"


@pytest.mark.parametrize("gone", ["down", "bundles_down"])
def test_a_store_that_is_down_leaves_the_old_version_serving(
    world: World, store: DistantStore, gone: str
) -> None:
    serving = follow(world)
    serving.refresh()
    appoint(world, 2)
    setattr(store, gone, True)
    for _ in range(3):
        assert serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.degraded
    assert serving.state.problem in ("the registry is down", "the bundles are down")
    assert counts(serving) == {Reload.LOADED: 1, Reload.FAILED: 3}
    setattr(store, gone, False)
    serving.refresh()
    assert answering(serving) == "houses/2"
    assert (serving.state.problem, serving.state.degraded) == ("", False)


def test_a_model_that_is_gone_from_the_store_goes_on_serving(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    lost = ServedModel(world.load, ModelRef("houses", "staging"), serving.cache, serving.clock)
    serving.load = follow(World()).load
    serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.problem == "no model 'houses'; there are no models yet"
    assert not lost.refresh()


def test_with_the_store_down_at_the_start_the_last_good_version_serves_and_heals(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    appoint(world, 2)
    follow(world, cache).refresh()
    store.down = True
    serving = follow(world, cache)
    assert serving.refresh()
    assert answering(serving) == "houses/2"
    assert serving.state.degraded
    assert serving.state.problem == "the registry is down"
    assert counts(serving) == {Reload.FAILED: 1, Reload.RESTORED: 1}
    serving.refresh()
    assert counts(serving) == {Reload.FAILED: 2, Reload.RESTORED: 1}
    store.down = False
    serving.refresh()
    assert (answering(serving), serving.state.problem) == ("houses/2", "")
    appoint(world, 3)
    serving.refresh()
    assert answering(serving) == "houses/3"


def test_the_last_good_version_answers_before_the_store_was_asked(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    serving, loads = follow(world, cache), store.loads
    assert serving.restore()
    assert answering(serving) == "houses/1"
    assert (serving.state.degraded, serving.state.problem) == (
        True,
        "the registry has not answered yet",
    )
    assert serving.refresh()
    assert (serving.state.degraded, serving.state.problem) == (False, "")
    assert counts(serving) == {Reload.RESTORED: 1}
    assert store.loads == loads


def test_a_champion_of_meanwhile_takes_over_at_the_first_answer(world: World) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    appoint(world, 2)
    serving = follow(world, cache)
    serving.restore()
    assert answering(serving) == "houses/1"
    serving.refresh()
    assert (answering(serving), serving.state.problem) == ("houses/2", "")
    assert counts(serving) == {Reload.RESTORED: 1, Reload.LOADED: 1}


def test_nothing_to_recall_leaves_the_server_waiting(world: World) -> None:
    serving = follow(world)
    assert not serving.restore()
    assert serving.state.problem == "the model is being loaded"
    assert serving.refresh()
    assert counts(serving) == {Reload.LOADED: 1}


def test_a_cache_that_is_broken_at_the_start_is_named_until_the_store_answers(
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


def test_recalling_changes_nothing_where_there_is_a_model(world: World) -> None:
    serving = follow(world)
    serving.refresh()
    before = serving.state
    assert serving.restore()
    assert serving.state is before


def test_a_server_that_starts_on_a_broken_champion_serves_the_one_before(
    world: World, store: DistantStore
) -> None:
    cache = MemoryBundleCache()
    follow(world, cache).refresh()
    store.spoil[2] = with_file("model.onnx", b"{}")
    appoint(world, 2)
    serving = follow(world, cache)
    assert serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.problem.startswith("houses/2: model.onnx was changed")
    assert counts(serving) == {Reload.REJECTED: 1, Reload.RESTORED: 1}


def test_an_empty_cache_helps_nobody(world: World, store: DistantStore) -> None:
    store.down = True
    serving = follow(world)
    assert not serving.refresh()
    assert serving.state.problem == "the registry is down"


def test_a_version_that_is_kept_is_not_fetched_again(world: World, store: DistantStore) -> None:
    cache = MemoryBundleCache()
    serving = follow(world, cache)
    for number in (1, 2, 1, 2):
        appoint(world, number)
        serving.refresh()
    assert store.loads == 2
    store.spoil[1] = with_file("model.onnx", b"{}")
    appoint(world, 1)
    serving.refresh()
    assert (answering(serving), serving.state.problem) == ("houses/1", "")


def test_a_bundle_that_was_changed_in_the_cache_is_fetched_and_mended(
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


def test_a_cache_that_is_broken_hinders_nobody_and_is_named(
    world: World, store: DistantStore
) -> None:
    cache = FragileCache()
    cache.broken = True
    serving = follow(world, cache)
    assert serving.refresh()
    assert answering(serving) == "houses/1"
    assert not serving.state.degraded
    assert serving.state.cache_problem == "the cache is broken"
    cache.broken = False
    appoint(world, 2)
    serving.refresh()
    assert serving.state.cache_problem == ""
    assert cache.last_good(HOUSES) == serving.model().version


def test_a_fault_of_the_store_is_raised_and_the_old_version_serves(world: World) -> None:
    class Faulty(MemoryStore):
        def resolve(self, ref: ModelRef) -> ModelVersion:
            raise KeyError("champion")

    serving = follow(world)
    serving.refresh()
    serving.load = follow(World(Faulty())).load
    with pytest.raises(KeyError):
        serving.refresh()
    assert answering(serving) == "houses/1"
    assert serving.state.problem == "internal error, see the log: KeyError"


def test_many_that_refresh_at_once_load_once() -> None:
    store = SlowStore()
    store.released.set()
    world = World(store)
    world.train()
    store.released.clear()
    store.asked.clear()
    loads = store.loads
    serving = follow(world)
    with ThreadPoolExecutor(8) as pool:
        refreshes = [pool.submit(serving.refresh) for _ in range(8)]
        assert store.asked.wait(30)
        assert not serving.ready
        store.released.set()
        assert all(refresh.result(30) for refresh in refreshes)
    assert store.loads == loads + 1


def test_requests_are_answered_by_the_old_version_while_the_new_one_is_loaded() -> None:
    store = SlowStore()
    store.released.set()
    world = World(store)
    world.train(DUMMY)
    serving = follow(world)
    serving.refresh()
    world.train()
    store.released.clear()
    store.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(serving.refresh)
        assert store.asked.wait(30)
        assert answering(serving) == "houses/1"
        store.released.set()
        assert refresh.result(30)
    assert answering(serving) == "houses/2"
