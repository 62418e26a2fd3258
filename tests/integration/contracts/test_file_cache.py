from pathlib import Path

import pytest

from adapters.filesystem.file_bundle_cache import FileBundleCache
from application.ports import BundleCache
from tests.integration.contracts.bundle_cache import BundleCacheContract


class TestFileBundleCache(BundleCacheContract):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> BundleCache:
        return FileBundleCache(tmp_path / "bundles", versions=3)
