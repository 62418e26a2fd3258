"""Admission of requests: API keys, rate limits, and a limit of requests in flight.

A refused request raises `RefusedRequest` with status, reason, detail and headers.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from math import ceil

from application.ports import KeyStore
from domain.errors import ModelportError
from domain.security.api_keys import ApiKey, KeyRing, Scope, TokenBucket
from entrypoints.http.middleware.request_context import RefusedRequest

log = logging.getLogger("modelport")

_INVALID = ', error="invalid_token"'


class Authenticator:
    """Authenticates requests by the keys of a store; without a store every request passes.

    `problem` is the reason why the store cannot be read; empty when the last read succeeded.
    """

    def __init__(self, store: KeyStore | None, now: Callable[[], datetime]) -> None:
        """Read the keys.

        Raises:
            Misconfigured: they cannot be read.
        """
        self._store = store
        self._now = now
        self._ring = KeyRing() if store is None else store.read()
        self.problem = ""

    def refresh(self) -> None:
        """Read the keys again; if that fails, the keys of the last successful read stay valid."""
        if self._store is None:
            return
        try:
            self._ring = self._store.read()
        except ModelportError as error:
            if self.problem != str(error):
                log.error("the API keys cannot be read, the last ones stay valid: %s", error)
            self.problem = str(error)
            return
        if self.problem:
            log.info("the API keys can be read again")
        self.problem = ""

    def authenticate(self, scope: Scope, token: bytes) -> ApiKey | None:
        """Return the key of a request; None where no key is needed.

        Raises:
            RefusedRequest: the key is missing, unknown or expired, or lacks the scope.
        """
        if self._store is None:
            return None
        if not token:
            raise _unauthorized(
                "missing_key",
                "an API key is required; allowed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
            )
        key = self._ring.verified(token)
        if key is None:
            raise _unauthorized("unknown_key", "the API key is unknown", _INVALID)
        if key.expired(self._now()):
            raise _unauthorized("expired_key", "the API key has expired", _INVALID)
        if not key.allows(scope):
            raise RefusedRequest(
                HTTPStatus.FORBIDDEN, "scope", f"the API key lacks the scope {scope.value!r}"
            )
        return key


class RequestLimits:
    """Counts requests. `in_flight` is the number of requests that are not answered yet."""

    def __init__(self, max_in_flight: int, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that never goes back."""
        self._max_in_flight = max_in_flight
        self._seconds = seconds
        self._buckets: dict[str, TokenBucket] = {}
        self.in_flight = 0

    def require_capacity(self) -> None:
        """Check that one more request may be in flight.

        Raises:
            RefusedRequest: the server is full.
        """
        if self.in_flight >= self._max_in_flight:
            raise unavailable("full", f"the server is full; allowed: {self._max_in_flight} at once")

    def require_rate(self, key: ApiKey) -> None:
        """Count a request against the rate limit of its key.

        Raises:
            RefusedRequest: the key is used more often than its rate allows.
        """
        if key.rate is None:
            return
        now = self._seconds()
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.rate != key.rate:
            bucket = self._buckets[key.id] = TokenBucket(key.rate, now)
        wait = bucket.take(now)
        if wait:
            raise RefusedRequest(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate_limit",
                f"the API key exceeds its rate limit; allowed: {key.rate:g} requests per second",
                {"Retry-After": str(ceil(wait))},
            )


def unavailable(reason: str, detail: str) -> RefusedRequest:
    """Return a refusal after which the caller may try again in a second."""
    return RefusedRequest(HTTPStatus.SERVICE_UNAVAILABLE, reason, detail, {"Retry-After": "1"})


def _unauthorized(reason: str, detail: str, error: str = "") -> RefusedRequest:
    challenge = f'Bearer realm="modelport"{error}'
    return RefusedRequest(HTTPStatus.UNAUTHORIZED, reason, detail, {"WWW-Authenticate": challenge})
