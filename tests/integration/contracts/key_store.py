"""What every store of API keys must do. A subclass provides `store`, which is empty."""

from datetime import UTC, datetime

import pytest

from application.ports import KeyStore
from domain.errors import InvalidData, NotFound
from domain.security.api_keys import ApiKey, Scope, create_api_key

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def key(name: str, seed: int = 0) -> ApiKey:
    return create_api_key(name, [Scope.PREDICT], bytes([seed] * 54), NOW, rate=2.5).key


class KeyStoreContract:
    def test_keys_come_back_in_the_order_they_were_added(self, store: KeyStore) -> None:
        store.add(key("one", 1))
        store.add(key("two", 2))
        assert store.read().keys == (key("one", 1), key("two", 2))
        assert store.read() == store.read()

    def test_a_revoked_key_is_removed_and_the_others_stay(self, store: KeyStore) -> None:
        store.add(key("one", 1))
        store.add(key("two", 2))
        store.revoke("one")
        assert store.read().keys == (key("two", 2),)
        store.revoke(key("two", 2).id)
        assert store.read().keys == ()

    def test_a_name_is_there_once(self, store: KeyStore) -> None:
        store.add(key("one", 1))
        with pytest.raises(InvalidData):
            store.add(key("one", 2))
        assert store.read().keys == (key("one", 1),)

    def test_what_is_not_there_cannot_be_revoked(self, store: KeyStore) -> None:
        store.add(key("one", 1))
        with pytest.raises(NotFound, match="no key 'two'"):
            store.revoke("two")
