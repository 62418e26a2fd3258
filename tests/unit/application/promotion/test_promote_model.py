import pytest

from domain.errors import ArtefactRejected, Conflict, NotFound, Unavailable
from domain.model.reference import ModelRef
from tests.fakes.model import MemoryStore
from tests.support.followers import FragileCache
from tests.support.houses import (
    DUMMY,
    HOUSES,
    LINEAR,
    RIDGE,
    RacingStore,
    SpoiledStore,
    World,
    with_file,
)


def _world(store: MemoryStore | None = None) -> World:
    """Return three versions, the first of which is champion."""
    world = World(store or MemoryStore())
    world.train(LINEAR)
    world.train(RIDGE)
    world.train(DUMMY)
    return world


def _version(number: int) -> ModelRef:
    return ModelRef("houses", None, number)


def test_a_version_is_made_champion_against_the_gate() -> None:
    world = _world()
    promotion = world.promote(_version(3))
    assert promotion.changed
    assert promotion.champion.number == 3
    assert promotion.replaced is not None
    assert promotion.replaced.number == 1
    assert world.aliases() == {"champion": 3, "previous": 1}


def test_a_version_can_be_named_by_any_alias() -> None:
    world = _world()
    world.store.set_alias("houses", "candidate", 2, None)
    assert world.promote(ModelRef("houses", "candidate")).champion.number == 2


def test_a_server_that_starts_finds_every_new_champion_at_hand() -> None:
    world = _world()
    for number, expected in ((1, 1), (3, 3)):
        if number != 1:
            world.promote(_version(number))
        kept = world.cache.last_good(HOUSES)
        assert kept is not None
        assert (kept.number, {*kept.aliases}) == (expected, {"champion"})
        assert world.cache.get(kept.bundle_id) == world.store.load(kept)
    world.promote.rollback("houses")
    kept = world.cache.last_good(HOUSES)
    assert kept is not None
    assert kept.label == world.champion() == "houses/1"


def test_a_version_that_was_not_promoted_is_not_kept() -> None:
    world = World()
    world.train(LINEAR, promote=False)
    assert world.cache.last_good(HOUSES) is None


def test_a_cache_that_takes_nothing_hinders_no_promotion() -> None:
    cache = FragileCache()
    cache.broken = True
    world = World(cache=cache)
    world.train(LINEAR)
    world.train(RIDGE, promote=False)
    assert world.promote(_version(2)).champion.number == 2
    assert world.champion() == "houses/2"


def test_promoting_the_champion_changes_nothing() -> None:
    world = _world()
    world.promote(_version(2))
    assert not world.promote(HOUSES).changed
    assert world.aliases() == {"champion": 2, "previous": 1}


def test_the_first_champion_replaces_nobody() -> None:
    world = World()
    world.train(promote=False)
    promotion = world.promote(_version(1))
    assert (promotion.changed, promotion.replaced) == (True, None)
    assert world.aliases() == {"champion": 1}


def test_rolling_back_twice_is_where_it_began() -> None:
    world = _world()
    world.promote(_version(2))
    assert world.promote.rollback("houses").champion.number == 1
    assert world.aliases() == {"champion": 1, "previous": 2}
    assert world.promote.rollback("houses").champion.number == 2
    assert world.aliases() == {"champion": 2, "previous": 1}


def test_who_appointed_a_champion_by_hand_and_why_is_in_the_ledger() -> None:
    world = _world()
    world.promote(_version(2), "the plainer one is easier to explain")
    world.promote(_version(2))
    world.promote.rollback("houses", "it was too plain")
    assert [
        (e.action, e.outcome, e.version, e.champion, e.by, e.reasons)
        for e in world.ledger.entries("houses")[3:]
    ] == [
        ("promote", "promoted", "houses/2", "houses/1", "ada",
         ("the plainer one is easier to explain",)),
        ("promote", "unchanged", "houses/2", "houses/2", "ada", ("no reason was given",)),
        ("rollback", "promoted", "houses/1", "houses/2", "ada", ("it was too plain",)),
    ]  # fmt: skip


def test_without_a_ledger_nobody_is_appointed() -> None:
    world = _world()
    world.ledger.problem = "ledger is full"
    with pytest.raises(Unavailable, match=r"ledger is full"):
        world.promote(_version(2))
    assert world.aliases() == {"champion": 1}


@pytest.mark.parametrize("name", ["houses", "flats"])
def test_a_rollback_without_a_previous_champion_is_refused(name: str) -> None:
    world = _world()
    with pytest.raises(NotFound, match=f"{name} has no previous champion"):
        world.promote.rollback(name)
    assert world.aliases() == {"champion": 1}


@pytest.mark.parametrize("ref", ["flats", "houses/9", "houses@best"])
def test_what_is_not_there_is_not_promoted(ref: str) -> None:
    world = _world()
    with pytest.raises(NotFound):
        world.promote(ModelRef.parse(ref))
    assert world.aliases() == {"champion": 1}


def test_a_broken_version_is_not_promoted_nor_gone_back_to() -> None:
    store = SpoiledStore()
    world = _world(store)
    store.spoil[2] = with_file("model.onnx", b"{}")
    with pytest.raises(ArtefactRejected, match=r"^houses/2: model\.onnx was changed"):
        world.promote(_version(2))
    assert world.aliases() == {"champion": 1}
    world.promote(_version(3))
    store.spoil[1] = with_file("model.onnx", b"{}")
    with pytest.raises(ArtefactRejected):
        world.promote.rollback("houses")
    assert world.aliases() == {"champion": 3, "previous": 1}


def test_a_broken_champion_can_be_replaced() -> None:
    store = SpoiledStore()
    world = _world(store)
    store.spoil[1] = with_file("model.onnx", b"{}")
    assert world.promote(_version(2)).changed


def test_a_champion_appointed_at_the_same_time_is_not_overruled() -> None:
    store = RacingStore(lambda store: store.set_alias("houses", "champion", 2, 1))
    world = _world(store)
    store.armed = True
    with pytest.raises(Conflict, match=r"nothing was changed"):
        world.promote(_version(3))
    assert world.aliases() == {"champion": 2}
    assert [e.outcome for e in world.ledger.entries("houses")[3:]] == ["conflict"]


def test_who_appoints_the_next_champion_meanwhile_has_the_last_word_on_the_previous_one() -> None:
    def appoint_next(store: MemoryStore) -> None:
        store.set_alias("houses", "champion", 3, 2)
        store.set_alias("houses", "previous", 2, None)

    store = RacingStore(appoint_next, before="previous")
    world = _world(store)
    store.armed = True
    assert world.promote(_version(2)).champion.number == 2
    assert world.aliases() == {"champion": 3, "previous": 2}
