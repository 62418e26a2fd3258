"""API keys in a JSON file, as salted hashes."""

import os
from pathlib import Path

from adapters.files.atomic_writes import os_errors_as_unavailable, replace_file
from adapters.files.locks import locked
from adapters.formats.api_keys_json import decode_keys, encode_keys
from domain.errors import Misconfigured
from domain.security.api_keys import ApiKey, KeyRing

_OWNER_ONLY = 0o600

_Stamp = tuple[int, int, int]


class FileKeyStore:
    """A `KeyStore`. The file is read again when it has changed; safe to use from processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f".{path.name}.lock")
        self._known: tuple[_Stamp, KeyRing] | None = None

    def read(self) -> KeyRing:
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if self._known is not None and self._known[0] == stamp:
                    return self._known[1]
                content = file.read()
        except OSError as error:
            raise Misconfigured(
                f"key file {self._path}: {error.strerror or error}; "
                f"'modelport keys create' makes one"
            ) from error
        ring = decode_keys(content, f"key file {self._path}")
        self._known = (stamp, ring)
        return ring

    def add(self, key: ApiKey) -> None:
        with os_errors_as_unavailable(self._path), locked(self._lock):
            ring = self.read() if self._path.exists() else KeyRing()
            replace_file(self._path, encode_keys(ring.adding(key)), _OWNER_ONLY)

    def revoke(self, which: str) -> None:
        with os_errors_as_unavailable(self._path), locked(self._lock):
            replace_file(self._path, encode_keys(self.read().without(which)))
