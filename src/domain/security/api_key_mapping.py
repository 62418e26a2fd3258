"""Keys as a mapping, which a JSON file can hold, and back: whatever is wrong in it is named."""

from binascii import Error, a2b_hex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.errors import InvalidData, Misconfigured
from domain.security.api_keys import ApiKey, KeyRing, Scope

_FIELDS = {"id", "name", "scopes", "salt", "sha256", "created_at", "expires_at", "rate"}


def ring_to_mapping(ring: KeyRing) -> dict[str, Any]:
    """Return what `ring_from_mapping` reads."""
    return {
        "keys": [
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
    }


def ring_from_mapping(mapping: Any, where: str) -> KeyRing:
    """Return the keys; `where` names the file in messages.

    Raises:
        Misconfigured: it does not hold keys; says which entry is wrong, never what it holds.
    """
    if not isinstance(mapping, dict) or set(mapping) != {"keys"}:
        raise Misconfigured(f'{where}: not a file of keys; allowed: {{"keys": […]}}')
    entries = mapping["keys"]
    if not isinstance(entries, list):
        raise Misconfigured(f"{where}: 'keys' is not a list")
    try:
        keys = tuple(_key(entry, f"{where}: key {n}") for n, entry in enumerate(entries, start=1))
        return KeyRing(keys)
    except InvalidData as error:
        raise Misconfigured(f"{where}: {error}") from error


def _key(entry: object, where: str) -> ApiKey:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise Misconfigured(f"{where}: allowed are the fields {', '.join(sorted(_FIELDS))}")
    try:
        return ApiKey(
            id=_text(entry, "id"),
            name=_text(entry, "name"),
            scopes=frozenset(map(Scope, entry["scopes"])),
            salt=a2b_hex(_text(entry, "salt")),
            digest=a2b_hex(_text(entry, "sha256")),
            created_at=datetime.fromisoformat(_text(entry, "created_at")),
            expires_at=_moment(entry),
            rate=_rate(entry),
        )
    except (Error, TypeError, ValueError) as error:
        raise Misconfigured(f"{where}: {error}") from error


def _moment(entry: Mapping[str, Any]) -> datetime | None:
    if entry["expires_at"] is None:
        return None
    return datetime.fromisoformat(_text(entry, "expires_at"))


def _rate(entry: Mapping[str, Any]) -> float | None:
    rate = entry["rate"]
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError("'rate' is not a number")
    return float(rate)


def _text(entry: Mapping[str, Any], name: str) -> str:
    if not isinstance(entry[name], str):
        raise TypeError(f"'{name}' is not a text")
    return str(entry[name])
