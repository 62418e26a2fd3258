"""What every bundle cache must do. A subclass provides `cache`, which holds three versions."""

from functools import partial

import pytest

from adapters.formats.manifest_file import read_manifest
from application.ports import BundleCache
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion
from tests.integration.contracts.model_store import at_once
from tests.support.samples import CREATED, NAME, sample_bundle

ORCHARD = ModelRef(NAME)
STAGING = ModelRef(NAME, "staging")


def version_of(bundle: Bundle, number: int = 1) -> ModelVersion:
    details = {"rmse": "2.0", "data.uri": "file:///data/baumgärten.csv"}
    return ModelVersion(NAME, number, bundle.id, CREATED, frozenset({"champion"}), details)


def keep(cache: BundleCache, seed: int, ref: ModelRef = ORCHARD) -> ModelVersion:
    bundle = sample_bundle(seed)
    version = version_of(bundle, seed + 1)
    cache.keep(ref, version, bundle)
    return version


def kept(cache: BundleCache, seeds: int) -> list[int]:
    return [seed for seed in range(seeds) if cache.get(sample_bundle(seed).id) is not None]


class BundleCacheContract:
    def test_an_empty_cache_has_nothing(self, cache: BundleCache) -> None:
        assert cache.get(sample_bundle().id) is None
        assert cache.last_good(ORCHARD) is None

    def test_a_bundle_comes_back_byte_for_byte(self, cache: BundleCache) -> None:
        version = keep(cache, 0)
        bundle = cache.get(version.bundle_id)
        assert bundle is not None
        assert dict(bundle.files) == dict(sample_bundle().files)
        assert bundle.verified(version.bundle_id, read_manifest).name == NAME

    def test_a_version_comes_back_as_it_was(self, cache: BundleCache) -> None:
        version = keep(cache, 0)
        assert cache.last_good(ORCHARD) == version

    def test_the_last_good_version_of_each_reference_is_returned(self, cache: BundleCache) -> None:
        first = keep(cache, 0)
        staged = keep(cache, 1, STAGING)
        assert cache.last_good(ORCHARD) == first
        second = keep(cache, 2)
        assert cache.last_good(ORCHARD) == second
        assert cache.last_good(STAGING) == staged
        assert cache.last_good(ModelRef("vineyard")) is None
        assert cache.last_good(ModelRef(NAME, None, 1)) is None

    def test_the_versions_kept_last_stay(self, cache: BundleCache) -> None:
        for seed in range(5):
            keep(cache, seed)
        assert kept(cache, 5) == [2, 3, 4]

    def test_a_version_that_is_kept_again_is_new_again(self, cache: BundleCache) -> None:
        for seed in (0, 1, 2, 0, 3):
            keep(cache, seed)
        assert kept(cache, 4) == [0, 2, 3]
        assert cache.last_good(ORCHARD) == version_of(sample_bundle(3), 4)

    def test_what_a_reference_last_meant_stays_however_old(self, cache: BundleCache) -> None:
        staged = keep(cache, 0, STAGING)
        for seed in range(1, 6):
            keep(cache, seed)
        assert kept(cache, 6) == [0, 3, 4, 5]
        assert cache.last_good(STAGING) == staged

    @pytest.mark.parametrize("bundle_id", ["", "..", "last", "0" * 64, "../" * 22])
    def test_what_is_no_bundle_is_not_there(self, cache: BundleCache, bundle_id: str) -> None:
        keep(cache, 0)
        assert cache.get(bundle_id) is None

    def test_many_may_keep_at_once(self, cache: BundleCache) -> None:
        at_once([partial(keep, cache, seed % 3) for seed in range(12)])
        assert kept(cache, 3) == [0, 1, 2]
        assert cache.last_good(ORCHARD) in [version_of(sample_bundle(s), s + 1) for s in range(3)]
