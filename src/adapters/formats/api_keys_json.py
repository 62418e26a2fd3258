"""API keys in JSON: salted hashes, never the keys themselves."""

from binascii import a2b_hex
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from adapters.formats.decoding import Decoder, as_base, read_as
from domain.canonical_json import json_bytes
from domain.security.api_keys import ApiKey, KeyRing


def _bytes(value: object) -> bytes:
    try:
        return a2b_hex(str(value))
    except ValueError:
        raise ValueError("expected hexadecimal digits") from None


def _time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("expected a time in ISO 8601") from None


_Hex: TypeAlias = Annotated[bytes, BeforeValidator(_bytes)]
_Time: TypeAlias = Annotated[datetime, BeforeValidator(_time)]


@dataclass(frozen=True, slots=True)
class _KeyTable(ApiKey):
    salt: _Hex
    digest: Annotated[_Hex, Field(alias="sha256")]
    created_at: _Time
    expires_at: _Time | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class _KeyFile:
    keys: tuple[Annotated[ApiKey, read_as(_KeyTable, as_base(ApiKey))], ...]

    def build(self) -> KeyRing:
        return KeyRing(self.keys)


_KEYS = Decoder[KeyRing](Annotated[KeyRing, read_as(_KeyFile, _KeyFile.build)], secret=True)


def decode_keys(content: bytes, where: str) -> KeyRing:
    """Return the keys of a JSON document; `where` names the file in messages.

    Raises:
        Misconfigured: it does not hold keys; names the entry and its key, shows no value.
    """
    return _KEYS.json(content, where)


def encode_keys(ring: KeyRing) -> bytes:
    """Return what `decode_keys` reads."""
    keys = [
        {
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "salt": key.salt.hex(),
            "sha256": key.digest.hex(),
            "created_at": key.created_at.isoformat(),
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
            "rate": key.rate,
        }
        for key in ring.keys
    ]
    return json_bytes({"keys": keys})
