from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adapters.memory import MemoryStore
from application.loading import LoadModel
from application.serving import Serving
from domain.errors import Unavailable
from domain.model import Bundle, ModelVersion
from tests.unit.application.houses import DUMMY, HOUSES, SpoiledStore, World, with_file


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
    serving = Serving(World().load, HOUSES)
    assert not serving.ready
    with pytest.raises(Unavailable, match=r"^not ready: the model is being loaded$"):
        serving.model()


def test_the_reason_is_told_until_there_is_a_model() -> None:
    world = World()
    serving = Serving(world.load, HOUSES)
    assert not serving.refresh()
    with pytest.raises(Unavailable, match=r"^not ready: no model 'houses'; there are no models"):
        serving.model()
    world.train()
    assert serving.refresh()
    assert serving.ready
    assert serving.model().version.label == "houses/1"


def test_a_model_that_fails_a_check_is_not_served() -> None:
    store = SpoiledStore()
    world = World(store)
    world.train()
    store.spoil[1] = with_file("model.onnx", b"{}")
    serving = Serving(world.load, HOUSES)
    assert not serving.refresh()
    assert serving.problem.startswith("houses/1: model.onnx was changed")
    store.spoil.clear()
    assert serving.refresh()


def test_the_loaded_model_stays_until_the_server_is_started_again() -> None:
    world = World()
    world.train(DUMMY)
    serving = Serving(world.load, HOUSES)
    serving.refresh()
    world.train()
    assert world.champion() == "houses/2"
    assert serving.refresh()
    assert serving.model().version.label == "houses/1"


def test_many_that_refresh_at_once_load_once() -> None:
    store = SlowStore()
    world = World(store)
    world.train()
    serving = Serving(LoadModel(store, world.runtime), HOUSES)
    with ThreadPoolExecutor(8) as pool:
        refreshes = [pool.submit(serving.refresh) for _ in range(8)]
        assert store.asked.wait(30)
        assert not serving.ready
        store.released.set()
        assert all(refresh.result(30) for refresh in refreshes)
    assert store.loads == 1
