import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.filesystem.file_model_store import FileStore
from adapters.formats.manifest_file import read_manifest
from domain.errors import ArtefactRejected, InvalidData, NotFound, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion
from tests.integration.contracts.model_store import at_once
from tests.support.samples import CREATED, NAME, sample_bundle

ROOT = Path(__file__).parents[3]
SAVER = "tests.integration.filesystem.saver"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def save(store: FileStore, seed: int = 0) -> ModelVersion:
    return store.save(NAME, sample_bundle(seed), CREATED, {"seed": str(seed)})


def saver(root: Path, first: int, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", SAVER, str(root), str(first), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def assert_whole(store: FileStore) -> list[ModelVersion]:
    """Return all versions, each of which was loaded and verified."""
    versions = list(store.versions(NAME))
    for version in versions:
        assert store.load(version).verified(version.bundle_id, read_manifest).name == NAME
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert len({version.bundle_id for version in versions}) == len(versions)
    return versions


def test_a_person_can_read_the_registry(store: FileStore, tmp_path: Path) -> None:
    save(store)
    store.set_alias(NAME, "champion", 1, None)
    registry = tmp_path / "registry" / NAME
    assert json.loads((registry / "aliases.json").read_text()) == {"champion": 1}
    assert json.loads((registry / "versions" / "1.json").read_text()) == {
        "bundle": sample_bundle().id,
        "created_at": "2026-03-04T05:06:07.891000+00:00",
        "details": {"seed": "0"},
    }
    bundle = tmp_path / "bundles" / sample_bundle().id
    assert {file.name for file in bundle.iterdir()} == {*sample_bundle().files}


def test_another_process_sees_what_this_one_saved(store: FileStore, tmp_path: Path) -> None:
    save(store)
    store.set_alias(NAME, "champion", 1, None)
    other = FileStore(tmp_path)
    assert other.resolve(ModelRef(NAME)) == store.resolve(ModelRef(NAME))
    assert other.names() == [NAME]


@pytest.mark.slow
def test_a_process_killed_while_saving_leaves_only_whole_versions(
    store: FileStore, tmp_path: Path
) -> None:
    for attempt in range(4):
        process = saver(tmp_path, first=1000 * attempt, count=1000)
        try:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(3 + attempt)]
        finally:
            process.kill()
            process.communicate()
        versions = assert_whole(store)
        assert {*acknowledged} <= {version.number for version in versions}
        champion = store.resolve(ModelRef(NAME))
        assert acknowledged[-1] <= champion.number <= len(versions)
        assert save(store, seed=1000 * attempt + 999).number == len(versions) + 1
        store.set_alias(NAME, "champion", len(versions) + 1, champion.number)


@pytest.mark.slow
def test_processes_that_save_at_once_share_the_numbers(store: FileStore, tmp_path: Path) -> None:
    processes = [saver(tmp_path, first=100 * turn, count=10) for turn in range(2)]
    try:
        outputs = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0]
    numbers = [int(line.split()[0]) for output in outputs for line in output]
    assert sorted(numbers) == list(range(1, 21))
    assert len(assert_whole(store)) == 20


def test_the_same_bundle_saved_at_once_becomes_one_version(store: FileStore) -> None:
    versions = at_once([lambda: save(store)] * 6)
    assert len(store.versions(NAME)) == 1
    assert all(version == store.resolve(ModelRef.parse("orchard/1")) for version in versions)


@pytest.mark.parametrize("name", sorted(sample_bundle().files))
def test_a_file_that_was_changed_is_noticed(store: FileStore, tmp_path: Path, name: str) -> None:
    version = save(store)
    file = tmp_path / "bundles" / version.bundle_id / name
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtefactRejected, match=name):
        store.load(version).verified(version.bundle_id, read_manifest)


@pytest.mark.parametrize("name", sorted(sample_bundle().files))
def test_a_file_that_is_missing_is_noticed(store: FileStore, tmp_path: Path, name: str) -> None:
    version = save(store)
    (tmp_path / "bundles" / version.bundle_id / name).unlink()
    with pytest.raises(ArtefactRejected, match=name):
        store.load(version).verified(version.bundle_id, read_manifest)


def test_a_file_that_was_added_is_noticed(store: FileStore, tmp_path: Path) -> None:
    version = save(store)
    (tmp_path / "bundles" / version.bundle_id / "model.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(ArtefactRejected, match=r"model\.pkl"):
        store.load(version).verified(version.bundle_id, read_manifest)


def test_a_bundle_that_is_missing_is_rejected_by_its_path(store: FileStore, tmp_path: Path) -> None:
    version = save(store)
    (tmp_path / "bundles" / version.bundle_id).rename(tmp_path / "elsewhere")
    with pytest.raises(ArtefactRejected, match=f"{version.bundle_id}: the bundle is incomplete"):
        store.load(version)


def test_a_folder_in_a_bundle_is_rejected(store: FileStore, tmp_path: Path) -> None:
    version = save(store)
    (tmp_path / "bundles" / version.bundle_id / "more").mkdir()
    with pytest.raises(ArtefactRejected, match="more: the bundle is incomplete"):
        store.load(version)


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"{")])
def test_training_the_same_model_again_repairs_its_bundle(
    store: FileStore, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    version = save(store)
    damage(tmp_path / "bundles" / version.bundle_id / "model.onnx")
    assert save(store) == version
    assert store.load(version).verified(version.bundle_id, read_manifest).name == NAME


def test_what_a_crash_left_behind_does_not_get_into_the_next_bundle(
    store: FileStore, tmp_path: Path
) -> None:
    partial = tmp_path / "bundles" / ".partial"
    partial.mkdir(parents=True)
    (partial / "half.bin").write_bytes(b"half")
    version = save(store)
    assert {*store.load(version).files} == {*sample_bundle().files}
    assert not partial.exists()


def test_a_bundle_without_a_version_is_no_model(store: FileStore, tmp_path: Path) -> None:
    version = save(store)
    (tmp_path / "registry" / NAME / "versions" / "1.json").unlink()
    assert store.names() == []
    assert save(store) == version


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"bundle": "../../etc", "created_at": "2026-01-01", "details": {}}']
)
def test_a_version_record_that_was_damaged_is_rejected_by_its_path(
    store: FileStore, tmp_path: Path, record: str
) -> None:
    save(store)
    (tmp_path / "registry" / NAME / "versions" / "1.json").write_text(record)
    with pytest.raises(ArtefactRejected, match=r"registry/orchard/versions/1\.json"):
        store.resolve(ModelRef.parse("orchard/1"))


@pytest.mark.parametrize("record", ["", "[]", '{"champion": "1"}'])
def test_a_record_of_aliases_that_was_damaged_is_rejected_by_its_path(
    store: FileStore, tmp_path: Path, record: str
) -> None:
    save(store)
    (tmp_path / "registry" / NAME / "aliases.json").write_text(record)
    with pytest.raises(ArtefactRejected, match=r"registry/orchard/aliases\.json"):
        store.resolve(ModelRef.parse("orchard"))


def test_an_alias_of_a_version_that_was_removed_leads_nowhere(
    store: FileStore, tmp_path: Path
) -> None:
    save(store)
    save(store, seed=1)
    store.set_alias(NAME, "champion", 2, None)
    (tmp_path / "registry" / NAME / "versions" / "2.json").unlink()
    with pytest.raises(NotFound, match="orchard has no version 2; the latest are 1"):
        store.resolve(ModelRef.parse("orchard"))


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/x", "a/b", "..", ".hidden", ""])
def test_a_file_name_that_leads_out_of_the_bundle_is_refused(
    store: FileStore, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidData, match="is not a plain file name"):
        store.save(NAME, Bundle({**sample_bundle().files, name: b"x"}), CREATED, {})
    assert store.names() == []
    assert not (tmp_path / "bundles" / "outside.txt").exists()


def test_a_root_that_cannot_be_written_is_unavailable_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a regular file has no folders below it")
    store = FileStore(tmp_path / "file" / "models")
    with pytest.raises(Unavailable, match=r"file/models.*Not a directory"):
        save(store)
    with pytest.raises(Unavailable, match=r"file/models.*Not a directory"):
        store.set_alias(NAME, "champion", 1, None)


def test_a_registry_that_cannot_be_read_is_unavailable_and_named(
    store: FileStore, tmp_path: Path
) -> None:
    (tmp_path / "registry").write_text("not a folder")
    with pytest.raises(Unavailable, match=r"registry.*Not a directory"):
        store.names()
    with pytest.raises(Unavailable, match=r"registry.*Not a directory"):
        store.resolve(ModelRef(NAME))


def test_a_full_disk_leaves_no_version_behind(store: FileStore, tmp_path: Path) -> None:
    first = save(store)
    store.set_alias(NAME, "champion", 1, None)

    def at_most_two_kilobytes_a_file() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    command = [sys.executable, "-m", SAVER, str(tmp_path), "1", "1"]
    process = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=at_most_two_kilobytes_a_file,
    )
    assert process.returncode == 1
    assert "domain.errors.Unavailable" in process.stderr
    assert "File too large" in process.stderr
    assert assert_whole(store) == [store.resolve(ModelRef(NAME))]
    assert store.resolve(ModelRef(NAME)).bundle_id == first.bundle_id
    assert save(store, seed=1).number == 2
