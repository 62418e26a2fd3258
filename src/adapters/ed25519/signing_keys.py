"""Ed25519 keys in PEM files, the format of openssl."""

import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.files.atomic_writes import write_and_sync
from domain.errors import Conflict, Misconfigured, Unavailable
from domain.model.signature import key_id

_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_ALLOWED = "Ed25519 public keys as PEM, in one file or in the .pem files of a folder"


def create_key(private: Path, public: Path) -> str:
    """Write a new pair of keys, the private one readable by its owner only; return the id.

    Raises:
        Conflict: one of the files exists.
        Unavailable: they cannot be written.
    """
    for path in (private, public):
        if path.exists():
            raise Conflict(f"{path} already exists; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path, content in ((private, secret), (public, shown)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_and_sync(path, content, _OWNER_ONLY)
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror or error}") from error
    return _id(key.public_key())


class FileSigner:
    """A `Signer` with the private key of a file."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            Misconfigured: the file cannot be read, holds no private key, or others may read it.
        """
        content = _read(path, "signing key")
        try:
            private = load_pem_private_key(content, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise Misconfigured(
                f"signing key {path}: not an Ed25519 private key without a password as PEM; "
                f"'modelport signing create-key' creates one"
            )
        if path.stat().st_mode & _OTHERS:
            raise Misconfigured(f"signing key {path}: other users may read it; chmod 600 it")
        self._private = private
        self.key = _id(private.public_key())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class FileVerifier:
    """A `Verifier` with the public keys of a file, or of the `.pem` files of a folder."""

    def __init__(self, path: Path) -> None:
        """Read the keys.

        Raises:
            Misconfigured: they cannot be read, or there are none.
        """
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        self._public = {_id(key): key for file in files for key in _public_keys(file)}
        if not self._public:
            raise Misconfigured(f"trusted keys {path}: there are none; allowed: {_ALLOWED}")
        self.keys = frozenset(self._public)

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        if key not in self._public:
            return False
        try:
            self._public[key].verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _public_keys(file: Path) -> Iterator[Ed25519PublicKey]:
    blocks = _PUBLIC_KEY.findall(_read(file, "trusted keys"))
    if not blocks:
        raise Misconfigured(f"trusted keys {file}: it holds no public key; allowed: {_ALLOWED}")
    for block in blocks:
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured(f"trusted keys {file}: an invalid key; allowed: {_ALLOWED}")
        yield key


def _id(key: Ed25519PublicKey) -> str:
    return key_id(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{what} {path}: {error.strerror or error}") from error
