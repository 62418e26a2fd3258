import hmac

from domain.errors import (
    Misconfigured,
)
from domain.model.signature import key_id
from domain.security.api_keys import ApiKey, KeyRing


class MemoryKeys:
    """A `Signer` and `Verifier` with one secret, which both of them know."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.key = key_id(secret)
        self.keys = frozenset({self.key})

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        return key in self.keys and hmac.compare_digest(signature, self.sign(message))


class MemoryKeyStore:
    """A `KeyStore`; `problem` makes it one that cannot be read."""

    def __init__(self, *keys: ApiKey) -> None:
        self._ring = KeyRing(keys)
        self.problem = ""

    def read(self) -> KeyRing:
        if self.problem:
            raise Misconfigured(self.problem)
        return self._ring

    def add(self, key: ApiKey) -> None:
        self._ring = self.read().adding(key)

    def revoke(self, which: str) -> None:
        self._ring = self.read().without(which)
