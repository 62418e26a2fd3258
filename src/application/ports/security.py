"""Ports of security: signing keys and API keys."""

from typing import Protocol

from domain.security.api_keys import ApiKey, KeyRing


class Signer(Protocol):
    """Vouches with a private key."""

    @property
    def key(self) -> str:
        """The id of the key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return a signature, which only the private key can make."""
        ...


class Verifier(Protocol):
    """Knows the public keys that are trusted."""

    @property
    def keys(self) -> frozenset[str]:
        """The ids of the keys that are trusted."""
        ...

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        """Tell whether a trusted key has made this signature of this message."""
        ...


class KeyStore(Protocol):
    """Where the API keys of a server are kept; a few, read often and changed seldom."""

    def read(self) -> KeyRing:
        """Return the keys as they are now; cheap when nothing has changed.

        Raises:
            Misconfigured: they cannot be read, or are none.
        """
        ...

    def add(self, key: ApiKey) -> None:
        """Keep one more key, wholly or not at all.

        Raises:
            InvalidData: there is one of this name already.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...

    def revoke(self, which: str) -> None:
        """Drop the key of an id or a name.

        Raises:
            NotFound: there is none.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...
