"""Ports of security: signing keys and API keys."""

from typing import Protocol

from domain.security.api_keys import ApiKey, KeyRing


class Signer(Protocol):
    """Signs with a private key."""

    @property
    def key(self) -> str:
        """The id of the key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        ...


class Verifier(Protocol):
    """Verifies signatures of trusted public keys."""

    @property
    def keys(self) -> frozenset[str]:
        """The ids of the trusted keys."""
        ...

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        """Whether a trusted key has made this signature of this message."""
        ...


class KeyStore(Protocol):
    """Keeps the API keys of a server: few, read often and changed seldom."""

    def read(self) -> KeyRing:
        """Return the current keys; cheap if nothing has changed.

        Raises:
            Misconfigured: the keys cannot be read, or there are none.
        """
        ...

    def add(self, key: ApiKey) -> None:
        """Add a key, completely or not at all.

        Raises:
            InvalidData: a key of this name exists.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...

    def revoke(self, which: str) -> None:
        """Remove the key of an id or a name.

        Raises:
            NotFound: there is no such key.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...
