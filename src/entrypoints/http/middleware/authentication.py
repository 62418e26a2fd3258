"""Who is let in: keys with their scopes and rates, read anew when they change."""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from math import ceil

from application.ports import KeyStore
from domain.errors import ModelportError
from domain.security.api_keys import ApiKey, KeyRing, Scope, TokenBucket

log = logging.getLogger("modelport")


class Denied(Exception):
    """A request that is not worked on: what its caller is told, in which headers beside."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Authenticator:
    """Lets in whoever shows a key; without a store, everybody.

    Each process of a server counts for itself how often a key has been used.
    """

    def __init__(
        self,
        store: KeyStore | None,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        """Read the keys.

        Raises:
            Misconfigured: they cannot be read.
        """
        self._store = store
        self._now = now
        self._seconds = seconds
        self._ring = KeyRing() if store is None else store.read()
        self._buckets: dict[str, TokenBucket] = {}
        self.problem = ""
        self.keyed = store is not None

    def refresh(self) -> None:
        """Catch up with the store; while it cannot be read, the last good keys stay in force."""
        if self._store is None:
            return
        try:
            ring = self._store.read()
        except ModelportError as error:
            if self.problem != str(error):
                log.error("the API keys before stay in force: %s", error)
            self.problem = str(error)
            return
        if self.problem:
            log.info("the API keys can be read again")
        self.problem = ""
        if ring is not self._ring:
            left = {key.id for key in ring.keys}
            self._buckets = {id_: each for id_, each in self._buckets.items() if id_ in left}
            self._ring = ring

    def admit(self, scope: Scope, token: bytes) -> str:
        """Return the id of the key that a request came with; empty where none is needed.

        Raises:
            Denied: there is no key, it is not good for this, or it has been used too often.
        """
        if not self.keyed:
            return ""
        key = self._verified(token)
        if not key.allows(scope):
            raise Denied(HTTPStatus.FORBIDDEN, f"the key lacks the scope {scope.value!r}")
        if key.rate is not None:
            self._count(key, key.rate)
        return key.id

    def _verified(self, token: bytes) -> ApiKey:
        if not token:
            raise _unauthorized(
                "a key is needed; allowed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
            )
        key = self._ring.verified(token)
        if key is None:
            raise _unauthorized("the key is not known", 'error="invalid_token"')
        if key.expired(self._now()):
            raise _unauthorized("the key has expired", 'error="invalid_token"')
        return key

    def _count(self, key: ApiKey, rate: float) -> None:
        now = self._seconds()
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key.id] = TokenBucket(rate, now)
        wait = bucket.take(now)
        if wait:
            raise Denied(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"the key is used too often; allowed: {rate:g} requests per second",
                retry_after=str(ceil(wait)),
            )


def _unauthorized(detail: str, more: str = "") -> Denied:
    challenge = ", ".join(filter(None, ('Bearer realm="modelport"', more)))
    return Denied(HTTPStatus.UNAUTHORIZED, detail, www_authenticate=challenge)
