import pytest

from application.ports import BundleCache
from tests.fakes.model import MemoryBundleCache
from tests.integration.contracts.bundle_cache import BundleCacheContract


class TestMemoryBundleCache(BundleCacheContract):
    @pytest.fixture
    def cache(self) -> BundleCache:
        return MemoryBundleCache(versions=3)
