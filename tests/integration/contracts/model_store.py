"""What every model store must do, in three parts, since a store may leave the saving to another.

A subclass provides the fixture `store`, empty each time, and where that does not save, the fixture
`saver`, a store for the same versions that does.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone
from functools import partial
from threading import Barrier

import pytest

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from application.ports import ModelStore
from application.promotion.set_champion import SetChampion
from domain.errors import ArtefactRejected, Conflict, Misconfigured, NotFound
from domain.model.reference import ModelRef, ModelVersion
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome
from tests.fakes.model import MemoryBundleCache, MemoryRuntime
from tests.fakes.tracking import MemoryLedger
from tests.support.samples import CREATED, NAME, sample_bundle

DETAILS = {
    "estimator": "linear",
    "rmse": "2.012345",
    "data.md5": "",
    "data.uri": "file:///data/baumgärten.csv",
}


def save(store: ModelStore, seed: int = 0, name: str = NAME) -> ModelVersion:
    return store.save(name, sample_bundle(seed, name), CREATED, DETAILS)


def at_once(tasks: Sequence[Callable[[], object]]) -> list[object]:
    """Return what each task returned or raised as a `Conflict`, all started together."""
    barrier = Barrier(len(tasks))

    def attempt(task: Callable[[], object]) -> object:
        barrier.wait(30)
        try:
            return task()
        except Conflict as conflict:
            return conflict

    with ThreadPoolExecutor(len(tasks)) as threads:
        return list(threads.map(attempt, tasks))


class ModelStoreReading:
    """Finding and loading what was saved."""

    @pytest.fixture
    def saver(self, store: ModelStore) -> ModelStore:
        return store

    def test_an_empty_store_has_no_models(self, store: ModelStore) -> None:
        assert list(store.names()) == []
        with pytest.raises(NotFound, match=r"'orchard'.*no models yet"):
            store.versions(NAME)
        for reference in ("orchard", "orchard@staging", "orchard/1"):
            with pytest.raises(NotFound, match=r"'orchard'.*no models yet"):
                store.resolve(ModelRef.parse(reference))

    def test_versions_are_numbered_from_one_and_listed_oldest_first(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        saved = [save(saver, seed) for seed in range(3)]
        assert [version.number for version in saved] == [1, 2, 3]
        assert [version.label for version in saved] == ["orchard/1", "orchard/2", "orchard/3"]
        assert list(store.versions(NAME)) == saved

    def test_a_version_keeps_what_it_was_saved_with(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        bundle = sample_bundle()
        local = CREATED.astimezone(timezone(timedelta(hours=5, minutes=30)))
        saver.save(NAME, bundle, local, DETAILS)
        version = store.resolve(ModelRef.parse("orchard/1"))
        assert version.name == NAME
        assert version.bundle_id == bundle.id
        assert version.created_at.utcoffset() is not None
        assert version.created_at == CREATED
        assert dict(version.details) == DETAILS
        assert version.aliases == frozenset()

    def test_a_bundle_comes_back_byte_for_byte(self, store: ModelStore, saver: ModelStore) -> None:
        bundle = sample_bundle()
        loaded = store.load(save(saver))
        assert dict(loaded.files) == dict(bundle.files)
        assert loaded.verified(bundle.id, read_manifest).name == NAME

    def test_a_manifest_is_read_without_the_bundle(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        versions = [save(saver, seed) for seed in range(2)]
        for seed, version in enumerate(versions):
            bundle = sample_bundle(seed)
            assert store.manifest(version) == bundle.verified(bundle.id, read_manifest)

    def test_a_manifest_that_is_not_the_registered_one_is_rejected(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        version = save(saver)
        with pytest.raises(ArtefactRejected):
            store.manifest(replace(version, bundle_id="0" * 64))

    def test_the_manifest_of_an_unknown_version_is_not_found(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        version = save(saver)
        with pytest.raises(NotFound, match="orchard has no version 9"):
            store.manifest(replace(version, number=9))

    def test_each_version_has_its_own_bundle(self, store: ModelStore, saver: ModelStore) -> None:
        versions = [save(saver, seed) for seed in range(2)]
        assert [store.load(version).id for version in versions] == [
            sample_bundle(seed).id for seed in range(2)
        ]

    def test_a_saved_model_can_predict(self, store: ModelStore, saver: ModelStore) -> None:
        version = save(saver)
        model = LoadModel(store, MemoryRuntime(), read_manifest)(ModelRef.parse("orchard/1"))
        assert model.version == version
        assert model.manifest.name == NAME

    def test_models_are_listed_by_name_and_numbered_separately(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        for name in ("vineyard", "orchard", "apiary-2.x_b"):
            assert save(saver, name=name).number == 1
        assert list(store.names()) == ["apiary-2.x_b", "orchard", "vineyard"]
        assert [version.label for version in store.versions("vineyard")] == ["vineyard/1"]

    def test_a_reference_is_resolved_in_all_three_forms(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        save(saver)
        save(saver, seed=1)
        saver.set_alias(NAME, "champion", 2, None)
        saver.set_alias(NAME, "previous", 1, None)
        assert store.resolve(ModelRef.parse("orchard")).number == 2
        assert store.resolve(ModelRef.parse("orchard@previous")).number == 1
        assert store.resolve(ModelRef.parse("orchard/1")).number == 1

    def test_what_is_unknown_is_named_with_what_there_is(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        version = save(saver)
        save(saver, seed=1)
        with pytest.raises(NotFound, match="orchard has no alias 'champion'; it has no aliases"):
            store.resolve(ModelRef.parse("orchard"))
        saver.set_alias(NAME, "champion", 2, None)
        with pytest.raises(NotFound, match=r"no alias 'staging'; it has champion \(version 2\)"):
            store.resolve(ModelRef.parse("orchard@staging"))
        with pytest.raises(NotFound, match="orchard has no version 3; the latest are 1, 2"):
            store.resolve(ModelRef.parse("orchard/3"))
        with pytest.raises(NotFound, match="no model 'vineyard'; there is orchard"):
            store.resolve(ModelRef.parse("vineyard"))
        with pytest.raises(NotFound, match="no model 'vineyard'; there is orchard"):
            store.versions("vineyard")
        with pytest.raises(NotFound, match="orchard has no version 9"):
            store.load(ModelVersion(NAME, 9, version.bundle_id, version.created_at))

    def test_versions_have_their_aliases(self, store: ModelStore, saver: ModelStore) -> None:
        save(saver)
        save(saver, seed=1)
        for alias in ("champion", "staging"):
            saver.set_alias(NAME, alias, 2, None)
        assert [version.aliases for version in store.versions(NAME)] == [
            frozenset(),
            {"champion", "staging"},
        ]
        assert store.resolve(ModelRef.parse("orchard@staging")).aliases == {"champion", "staging"}
        assert store.resolve(ModelRef.parse("orchard/1")).aliases == frozenset()


class ModelStoreAliases:
    """Moving aliases."""

    @pytest.fixture
    def saver(self, store: ModelStore) -> ModelStore:
        return store

    def test_an_alias_cannot_point_to_what_is_not_there(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        with pytest.raises(NotFound, match="no model 'orchard'"):
            store.set_alias(NAME, "champion", 1, None)
        save(saver)
        with pytest.raises(NotFound, match="orchard has no version 2"):
            store.set_alias(NAME, "champion", 2, None)
        assert store.resolve(ModelRef.parse("orchard/1")).aliases == frozenset()

    def test_an_alias_moves_from_where_it_was_expected(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        save(saver)
        save(saver, seed=1)
        store.set_alias(NAME, "champion", 1, None)
        store.set_alias(NAME, "champion", 2, 1)
        assert store.resolve(ModelRef.parse("orchard")).number == 2
        assert store.resolve(ModelRef.parse("orchard/1")).aliases == frozenset()

    @pytest.mark.parametrize("expected", [None, 2, 7])
    def test_an_alias_of_another_version_is_a_conflict_that_names_it(
        self, store: ModelStore, saver: ModelStore, expected: int | None
    ) -> None:
        save(saver)
        save(saver, seed=1)
        store.set_alias(NAME, "champion", 1, None)
        with pytest.raises(Conflict, match="orchard@champion points to version 1, not to"):
            store.set_alias(NAME, "champion", 2, expected)
        assert store.resolve(ModelRef.parse("orchard")).number == 1

    def test_an_alias_that_is_not_there_is_not_moved_from_a_version(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        save(saver)
        with pytest.raises(Conflict, match="points to no version, not to version 1"):
            store.set_alias(NAME, "champion", 1, 1)
        with pytest.raises(NotFound):
            store.resolve(ModelRef.parse("orchard"))

    def test_aliases_of_one_model_are_not_those_of_another(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        save(saver)
        save(saver, name="vineyard")
        store.set_alias(NAME, "champion", 1, None)
        with pytest.raises(NotFound, match="vineyard has no alias 'champion'"):
            store.resolve(ModelRef.parse("vineyard"))

    def test_of_many_that_move_an_alias_at_once_exactly_one_wins(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        for seed in range(3):
            save(saver, seed)
        store.set_alias(NAME, "champion", 1, None)

        def move(to: int) -> int:
            store.set_alias(NAME, "champion", to, 1)
            return to

        outcomes = at_once([partial(move, 2 + turn % 2) for turn in range(8)])
        (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, Conflict)]
        assert store.resolve(ModelRef.parse("orchard")).number == winner

    def test_a_promotion_that_conflicts_is_a_conflict_in_the_ledger_and_nothing_else(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        first, other, late = (save(saver, seed) for seed in range(3))
        store.set_alias(NAME, "champion", first.number, None)
        ledger = MemoryLedger()
        promote = SetChampion(store, ledger, MemoryBundleCache(), lambda: CREATED, "ada")
        entry = LedgerEntry(
            *(CREATED, Action.TRAIN, PromotionOutcome.PROMOTED, NAME),
            *(late.label, first.label, "ada", ("RMSE is lower",)),
        )
        store.set_alias(NAME, "champion", other.number, first.number)
        with pytest.raises(Conflict, match="nothing was changed"):
            promote(entry, late, first, sample_bundle(2))
        assert store.resolve(ModelRef(NAME)).number == other.number
        assert [each.outcome for each in ledger.entries(NAME)] == [PromotionOutcome.CONFLICT]
        promote(entry, late, other, sample_bundle(2))
        assert store.resolve(ModelRef(NAME)).number == late.number
        assert store.resolve(ModelRef(NAME, "previous")).number == other.number

    def test_of_many_that_set_a_new_alias_at_once_exactly_one_wins(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        save(saver)
        save(saver, seed=1)

        def move(to: int) -> int:
            store.set_alias(NAME, "champion", to, None)
            return to

        outcomes = at_once([partial(move, 1 + turn % 2) for turn in range(8)])
        (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, Conflict)]
        assert store.resolve(ModelRef.parse("orchard")).number == winner


class ModelStoreDetails:
    """Adding details to a version."""

    @pytest.fixture
    def saver(self, store: ModelStore) -> ModelStore:
        return store

    def test_details_are_added_and_replaced_and_nothing_else_changes(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        before = save(saver)
        save(saver, seed=1)
        saver.set_alias(NAME, "champion", 1, None)
        added = {"signature.0123456789abcdef": "c2lnbmF0dXJl+/==", "estimator": "ridge"}
        after = store.annotate(before, added)
        assert after == store.resolve(ModelRef.parse("orchard/1"))
        assert dict(after.details) == {**DETAILS, **added}
        assert after.aliases == {"champion"}
        unchanged = replace(after, details=before.details, aliases=before.aliases)
        assert unchanged == before
        assert dict(store.resolve(ModelRef.parse("orchard/2")).details) == DETAILS
        assert store.load(after).id == before.bundle_id

    def test_what_is_not_there_cannot_be_annotated(
        self, store: ModelStore, saver: ModelStore
    ) -> None:
        version = save(saver)
        with pytest.raises(NotFound, match="orchard has no version 9"):
            store.annotate(replace(version, number=9), {"note": "text"})


class ModelStoreContract(ModelStoreReading, ModelStoreAliases, ModelStoreDetails):
    """All of it, by one store."""

    def test_the_same_bundle_keeps_its_version(self, store: ModelStore) -> None:
        first = save(store)
        save(store, seed=1)
        store.set_alias(NAME, "champion", 1, None)
        again = store.save(NAME, sample_bundle(), CREATED + timedelta(days=1), {"rmse": "0"})
        assert again.label == first.label
        assert again.created_at == CREATED
        assert dict(again.details) == DETAILS
        assert again.aliases == {"champion"}
        assert len(store.versions(NAME)) == 2

    @pytest.mark.parametrize("name", ["", "../orchard", "a/b", ".hidden", "a b", "a\n"])
    def test_a_name_that_no_reference_can_have_is_refused(
        self, store: ModelStore, name: str
    ) -> None:
        with pytest.raises(Misconfigured, match="is not a model reference"):
            store.save(name, sample_bundle(), CREATED, {})
        save(store)
        with pytest.raises(Misconfigured, match="is not a model reference"):
            store.set_alias(NAME, name, 1, None)
        assert list(store.names()) == [NAME]

    def test_bundles_saved_at_once_get_numbers_of_their_own(self, store: ModelStore) -> None:
        tasks = [partial(save, store, seed) for seed in range(4)]
        saved = [version for version in at_once(tasks) if isinstance(version, ModelVersion)]
        assert sorted(version.number for version in saved) == [1, 2, 3, 4]
        assert {v.bundle_id for v in store.versions(NAME)} == {
            sample_bundle(seed).id for seed in range(4)
        }
        for version in saved:
            store.load(version).verified(version.bundle_id, read_manifest)
