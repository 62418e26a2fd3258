from pathlib import Path

import pytest

from adapters.filesystem.file_bundle_cache import FileBundleCache
from adapters.formats.manifest_file import read_manifest
from domain.errors import ArtefactRejected, Unavailable
from tests.integration.contracts.bundle_cache import ORCHARD, keep, kept
from tests.support.samples import sample_bundle


@pytest.fixture
def cache(tmp_path: Path) -> FileBundleCache:
    return FileBundleCache(tmp_path, versions=3)


def record(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "last").iterdir()
    return path


def test_another_process_finds_what_this_one_kept(cache: FileBundleCache, tmp_path: Path) -> None:
    version = keep(cache, 0)
    other = FileBundleCache(tmp_path)
    assert other.last_good(ORCHARD) == version
    assert other.get(version.bundle_id) == sample_bundle()


def test_a_reference_means_something_else_in_another_registry(tmp_path: Path) -> None:
    here, there = (
        FileBundleCache(tmp_path, "http://here"),
        FileBundleCache(tmp_path, "http://there"),
    )
    version = keep(here, 0)
    assert here.last_good(ORCHARD) == version
    assert there.last_good(ORCHARD) is None
    assert there.get(version.bundle_id) is not None


def test_no_secret_of_the_registry_is_written_down(tmp_path: Path) -> None:
    keep(FileBundleCache(tmp_path, "http://ann:sesame@host"), 0)
    assert "sesame" not in record(tmp_path).name
    assert b"sesame" not in record(tmp_path).read_bytes()


def test_a_changed_file_is_found_out_and_mended_when_it_is_kept_again(
    cache: FileBundleCache, tmp_path: Path
) -> None:
    version = keep(cache, 0)
    (tmp_path / version.bundle_id / "golden.json").write_bytes(b"{}")
    changed = cache.get(version.bundle_id)
    assert changed is not None
    with pytest.raises(ArtefactRejected, match=r"golden\.json was changed"):
        changed.verified(version.bundle_id, read_manifest)
    keep(cache, 0)
    assert cache.get(version.bundle_id) == sample_bundle()


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"{}", b'{"name": 3}', b"[" * 100_000])
def test_a_changed_record_is_rejected_and_replaced(
    cache: FileBundleCache, tmp_path: Path, content: bytes
) -> None:
    version = keep(cache, 0)
    record(tmp_path).write_bytes(content)
    with pytest.raises(ArtefactRejected, match=r"last/orchard-.*: not a record of a model version"):
        cache.last_good(ORCHARD)
    keep(cache, 0)
    assert cache.last_good(ORCHARD) == version


def test_files_of_a_killed_process_do_not_prevent_writing(
    cache: FileBundleCache, tmp_path: Path
) -> None:
    (tmp_path / ".partial").mkdir(parents=True)
    (tmp_path / ".partial" / "half").write_bytes(b"{")
    for seed in range(4):
        keep(cache, seed)
    assert kept(cache, 4) == [1, 2, 3]
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {"last", *(sample_bundle(seed).id for seed in (1, 2, 3))}


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = FileBundleCache(tmp_path / "file" / "bundles")
    with pytest.raises(Unavailable, match="Not a directory"):
        keep(cache, 0)
    assert cache.get(sample_bundle().id) is None
