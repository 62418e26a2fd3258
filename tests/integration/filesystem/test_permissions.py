"""Permissions of files that are replaced."""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest

from adapters.files.atomic_writes import replace_file, replacing


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize(("mode", "permissions"), [(0o666, 0o640), (0o600, 0o600)])
def test_a_new_file_has_the_permissions_of_its_mode_and_the_umask(
    tmp_path: Path, mode: int, permissions: int
) -> None:
    with replacing(tmp_path / "new", tmp_path, mode=mode):
        (temporary,) = tmp_path.glob("*.tmp")
        assert S_IMODE(temporary.stat().st_mode) == permissions
    assert S_IMODE((tmp_path / "new").stat().st_mode) == permissions


@pytest.mark.parametrize("permissions", [0o600, 0o664, 0o444])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, permissions: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(permissions)
    replace_file(path, b"new")
    assert (path.read_bytes(), S_IMODE(path.stat().st_mode)) == (b"new", permissions)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_an_existing_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12, 34)
    replace_file(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12, 34)
