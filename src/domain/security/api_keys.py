"""API keys with scopes and rate limits.

The secret of a key is 256 random bits, too many to try. So one salted SHA-256 protects it as well
as a slow password hash does, and takes a microsecond per request instead of a tenth of a second. A
stored hash does not authenticate a request.
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
    """What a key permits."""

    PREDICT = "predict"  # predictions and the description of the model
    METRICS = "metrics"  # the metrics
    ADMIN = "admin"  # everything


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The stored part of a key, without its secret.

    `rate` is in requests per second; None: no limit. `expires_at` None: the key does not expire.
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
            raise InvalidData(f"the id of a key must have {2 * ID_BYTES} digits from 0 to f")
        if not _NAME.fullmatch(self.name):
            raise InvalidData(
                f"{self.name!r} is not a name of a key; allowed: up to 64 letters, digits, "
                f"blanks, '_', '.' and '-', a letter or digit first"
            )
        if not self.scopes:
            raise InvalidData(f"key {self.name!r} has no scope; allowed: {', '.join(Scope)}")
        if len(self.salt) < SALT_BYTES or len(self.digest) != sha256().digest_size:
            raise InvalidData(f"key {self.name!r} has an incomplete salt or SHA-256")
        if self.rate is not None and not (isfinite(self.rate) and self.rate > 0):
            raise InvalidData(f"key {self.name!r} has rate {self.rate}; allowed: above 0 a second")
        for time in (self.created_at, self.expires_at):
            if time is not None and time.tzinfo is None:
                raise InvalidData(f"key {self.name!r} has a time without a time zone")

    def expired(self, now: datetime) -> bool:
        """Whether the key is no longer valid."""
        return self.expires_at is not None and now >= self.expires_at

    def allows(self, scope: Scope) -> bool:
        """Whether the key permits this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new key, and its token, which is not stored."""

    key: ApiKey
    token: str = field(repr=False)


def create_api_key(
    name: str,
    scopes: Iterable[Scope],
    entropy: bytes,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    rate: float | None = None,
) -> NewApiKey:
    """Return a new key, made of `ID_BYTES` + `SALT_BYTES` + `SECRET_BYTES` random bytes.

    Raises:
        InvalidData: an argument is not allowed.
    """
    if len(entropy) != (needed := ID_BYTES + SALT_BYTES + SECRET_BYTES):
        raise InvalidData(f"a key is made of {len(entropy)} random bytes; allowed: {needed}")
    id_, salt = entropy[:ID_BYTES].hex(), entropy[ID_BYTES : ID_BYTES + SALT_BYTES]
    secret = urlsafe_b64encode(entropy[ID_BYTES + SALT_BYTES :]).rstrip(b"=")
    if expires_at is not None and expires_at <= now:
        raise InvalidData(f"key {name!r} would already be expired")
    key = ApiKey(
        id_, name, frozenset(scopes), salt, sha256(salt + secret).digest(), now, expires_at, rate
    )
    return NewApiKey(key, f"{PREFIX}_{id_}_{secret.decode()}")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of a server."""

    keys: tuple[ApiKey, ...] = ()
    _by_id: Mapping[bytes, ApiKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {key.id.encode(): key for key in self.keys}
        if len(by_id) < len(self.keys) or len({key.name for key in self.keys}) < len(self.keys):
            raise InvalidData("two keys have the same id or name; allowed: each once")
        object.__setattr__(self, "_by_id", by_id)

    def verified(self, token: bytes) -> ApiKey | None:
        """Return the key of a token, expired or not; None for an invalid token.

        The time that this takes does not depend on the secret. The id is not secret.
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
            InvalidData: a key of this name exists.
        """
        if any(key.name == other.name for other in self.keys):
            raise InvalidData(f"a key named {key.name!r} already exists; revoke it first")
        return KeyRing((*self.keys, key))

    def without(self, which: str) -> "KeyRing":
        """Return a ring without the key of this id or name.

        Raises:
            NotFound: there is no such key.
        """
        left = tuple(key for key in self.keys if which not in (key.id, key.name))
        if len(left) == len(self.keys):
            names = ", ".join(key.name for key in self.keys) or "none"
            raise NotFound(f"no key {which!r}; there is: {names}")
        return KeyRing(left)


class TokenBucket:
    """Admits `rate` requests per second, and up to `burst` of them at once.

    In any t seconds it admits at most `rate` · t + `burst` requests.
    """

    __slots__ = ("_tokens", "_updated", "burst", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self.burst = max(1.0, rate)
        self._tokens = self.burst
        self._updated = now

    def take(self, now: float) -> float:
        """Admit one request and return 0, or return the seconds until the next one is admitted.

        `now` is in seconds, from a monotonic clock.
        """
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._updated) * self.rate)
        self._updated = max(self._updated, now)
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
