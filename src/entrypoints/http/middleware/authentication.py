"""Authentication by API keys, which are read again when they change."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from application.ports import KeyStore
from domain.errors import ModelportError
from domain.security.api_keys import ApiKey, KeyRing, Scope

log = logging.getLogger("modelport")

_INVALID = ', error="invalid_token"'


class Denied(Exception):
    """A request that the middleware refuses: status, detail and headers of the response."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Authenticator:
    """Authenticates requests by the keys of a store; without a store every request passes.

    `problem` says why the store cannot be read; empty when the last read succeeded.
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
            Denied: the key is missing, unknown or expired, or lacks the scope.
        """
        if self._store is None:
            return None
        if not token:
            raise _unauthorized(
                "an API key is required; allowed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
            )
        key = self._ring.verified(token)
        if key is None:
            raise _unauthorized("the API key is unknown", _INVALID)
        if key.expired(self._now()):
            raise _unauthorized("the API key has expired", _INVALID)
        if not key.allows(scope):
            raise Denied(HTTPStatus.FORBIDDEN, f"the API key lacks the scope {scope.value!r}", {})
        return key


def _unauthorized(detail: str, error: str = "") -> Denied:
    challenge = f'Bearer realm="modelport"{error}'
    return Denied(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": challenge})
