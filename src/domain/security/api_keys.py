"""Who may ask for what, and how often: API keys and the rates they carry.

A key is 256 random bits, so nobody can guess it or search for it: one salted SHA-256 keeps it as
well as a slow password hash would, and costs a microsecond per request instead of a tenth of a
second. Whoever reads the file with the hashes cannot call the server with them.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from math import isfinite

from domain.errors import InvalidData, NotFound

PREFIX = "mp"
SECRET_BYTES = 32
SALT_BYTES = 16
ID_BYTES = 6

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,63}")
_TOKEN = re.compile(rb"mp_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key is good for."""

    PREDICT = "predict"  # ask the model, and what it is
    METRICS = "metrics"  # read the metrics
    ADMIN = "admin"  # everything


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: never the key itself.

    `rate` is in requests per second; None is without a limit. `expires_at` None is never.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(rf"[0-9a-f]{{{2 * ID_BYTES}}}", self.id):
            raise InvalidData(f"a key's id must have {2 * ID_BYTES} digits from 0 to f")
        if not _NAME.fullmatch(self.name):
            raise InvalidData(
                f"{self.name!r} cannot name a key; allowed: up to 64 letters, digits, blanks, "
                f"'_', '.' and '-', a letter or digit first"
            )
        if not self.scopes:
            raise InvalidData(f"key {self.name!r} has no scope; allowed: {', '.join(Scope)}")
        if len(self.salt) < SALT_BYTES or len(self.digest) != sha256().digest_size:
            raise InvalidData(f"key {self.name!r} has no whole salt and SHA-256")
        if self.rate is not None and not (isfinite(self.rate) and self.rate > 0):
            raise InvalidData(f"key {self.name!r} has rate {self.rate}; allowed: above 0 a second")
        for moment in (self.created_at, self.expires_at):
            if moment is not None and moment.tzinfo is None:
                raise InvalidData(f"key {self.name!r} has a time without a time zone")

    def expired(self, now: datetime) -> bool:
        """Whether the key is no longer good for anything."""
        return self.expires_at is not None and now >= self.expires_at

    def allows(self, scope: Scope) -> bool:
        """Whether the key is good for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key, and the one time that its token is there to be read."""

    key: ApiKey
    token: str = field(repr=False)


def mint(
    name: str,
    scopes: Iterable[Scope],
    entropy: bytes,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    rate: float | None = None,
) -> Minted:
    """Return a new key made of random bytes: `ID_BYTES`, `SALT_BYTES` and `SECRET_BYTES` of them.

    Raises:
        InvalidData: something is not allowed; says what.
    """
    if len(entropy) != ID_BYTES + SALT_BYTES + SECRET_BYTES:
        raise InvalidData("a key needs fresh random bytes of its own")
    id_, salt = entropy[:ID_BYTES].hex(), entropy[ID_BYTES : ID_BYTES + SALT_BYTES]
    secret = urlsafe_b64encode(entropy[ID_BYTES + SALT_BYTES :]).rstrip(b"=")
    if expires_at is not None and expires_at <= now:
        raise InvalidData(f"key {name!r} would be expired already")
    key = ApiKey(
        id_, name, frozenset(scopes), salt, sha256(salt + secret).digest(), now, expires_at, rate
    )
    return Minted(key, f"{PREFIX}_{id_}_{secret.decode()}")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Every key that there is."""

    keys: tuple[ApiKey, ...] = ()
    _by_id: Mapping[bytes, ApiKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {key.id.encode(): key for key in self.keys}
        if len(by_id) < len(self.keys) or len({key.name for key in self.keys}) < len(self.keys):
            raise InvalidData("two keys have the same id or name; allowed: each once")
        object.__setattr__(self, "_by_id", by_id)

    def verified(self, token: bytes) -> ApiKey | None:
        """Return the key that a token belongs to, expired or not; None where it is of no key.

        How long it takes tells nothing of the secret; the id is no secret.
        """
        parts = _TOKEN.fullmatch(token)
        key = None if parts is None else self._by_id.get(parts[1])
        if parts is None or key is None:
            return None
        same = compare_digest(sha256(key.salt + parts[2]).digest(), key.digest)
        return key if same else None

    def adding(self, key: ApiKey) -> "KeyRing":
        """Return a ring with one more key.

        Raises:
            InvalidData: there is one of this name already.
        """
        if any(key.name == other.name for other in self.keys):
            raise InvalidData(f"there is a key named {key.name!r} already; revoke it first")
        return KeyRing((*self.keys, key))

    def without(self, which: str) -> "KeyRing":
        """Return a ring without the key of this id or name.

        Raises:
            NotFound: there is none.
        """
        left = tuple(key for key in self.keys if which not in (key.id, key.name))
        if len(left) == len(self.keys):
            names = ", ".join(key.name for key in self.keys) or "none"
            raise NotFound(f"no key {which!r}; there is: {names}")
        return KeyRing(left)


class TokenBucket:
    """Lets through `rate` requests a second on average, and a second's worth of them at once.

    Over any time of t seconds at most `rate` · t + `burst` requests are let through.
    """

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self.burst = max(1.0, rate)
        self._left = self.burst
        self._at = now

    def take(self, now: float) -> float:
        """Let one request through and return 0, or return in how many seconds there is room.

        `now` is in seconds, by a clock that never goes back.
        """
        self._left = min(self.burst, self._left + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self.rate
