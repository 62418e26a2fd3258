"""Limits of one server process: requests in flight, and requests per second of an API key."""

from collections.abc import Callable
from http import HTTPStatus
from math import ceil

from domain.security.api_keys import ApiKey, TokenBucket
from entrypoints.http.middleware.authentication import Denied


class Limits:
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
            Denied: the server is full.
        """
        if self.in_flight >= self._max_in_flight:
            raise unavailable(f"the server is full; allowed: {self._max_in_flight} at once")

    def require_rate(self, key: ApiKey) -> None:
        """Count a request against the rate limit of its key.

        Raises:
            Denied: the key is used more often than its rate allows.
        """
        if key.rate is None:
            return
        now = self._seconds()
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.rate != key.rate:
            bucket = self._buckets[key.id] = TokenBucket(key.rate, now)
        wait = bucket.take(now)
        if wait:
            raise Denied(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"the API key exceeds its rate limit; allowed: {key.rate:g} requests per second",
                {"Retry-After": str(ceil(wait))},
            )


def unavailable(detail: str) -> Denied:
    """Return a refusal after which the caller may try again in a second."""
    return Denied(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})
