from pathlib import Path
from stat import S_IMODE

import pytest

from adapters.filesystem.file_key_store import FileKeyStore
from domain.errors import Misconfigured
from tests.integration.contracts.key_store import KeyStoreContract, key


class TestFileKeys(KeyStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileKeyStore:
        return FileKeyStore(tmp_path / "keys" / "keys.json")

    def test_another_process_sees_every_change(self, store: FileKeyStore, tmp_path: Path) -> None:
        other = FileKeyStore(tmp_path / "keys" / "keys.json")
        for number in range(5):
            store.add(key(f"k{number}", number))
            assert other.read() == store.read()
        other.revoke("k3")
        assert [each.name for each in store.read().keys] == ["k0", "k1", "k2", "k4"]

    def test_a_file_that_has_not_changed_is_not_parsed_again(self, store: FileKeyStore) -> None:
        store.add(key("one"))
        assert store.read() is store.read()

    def test_a_missing_file_is_misconfigured(self, store: FileKeyStore) -> None:
        with pytest.raises(Misconfigured, match="keys create"):
            store.read()

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b'{"keys": 1}'])
    def test_an_invalid_file_is_misconfigured_and_unchanged(
        self, store: FileKeyStore, tmp_path: Path, content: bytes
    ) -> None:
        store.add(key("one"))
        path = tmp_path / "keys" / "keys.json"
        path.write_bytes(content)
        for attempt in (store.read, lambda: store.add(key("two", 2)), lambda: store.revoke("one")):
            with pytest.raises(Misconfigured, match=r"keys\.json"):
                attempt()
        assert path.read_bytes() == content

    def test_the_file_holds_no_token(self, store: FileKeyStore, tmp_path: Path) -> None:
        store.add(key("one"))
        assert b"mp_" not in (tmp_path / "keys" / "keys.json").read_bytes()

    def test_the_file_is_for_its_owner_only(self, store: FileKeyStore, tmp_path: Path) -> None:
        store.add(key("one"))
        assert permissions(tmp_path / "keys" / "keys.json") == 0o600

    @pytest.mark.parametrize("mode", [0o640, 0o644, 0o400])
    def test_permissions_that_an_operator_has_set_are_kept(
        self, store: FileKeyStore, tmp_path: Path, mode: int
    ) -> None:
        store.add(key("one"))
        (tmp_path / "keys" / "keys.json").chmod(mode)
        store.add(key("two", 2))
        store.revoke("one")
        assert permissions(tmp_path / "keys" / "keys.json") == mode


def permissions(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)
