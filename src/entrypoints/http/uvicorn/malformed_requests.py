"""Warnings of malformed requests: their number does not depend on the callers."""

import logging
from asyncio import AbstractEventLoop

log = logging.getLogger("modelport")

_SECONDS = 60.0


class MalformedRequests:
    """Logs the first malformed request, then at most once a minute how many followed."""

    def __init__(self) -> None:
        self._followed = 0
        self._last = ""
        self._waits = False

    def record(self, client: tuple[str, int] | None, loop: AbstractEventLoop) -> None:
        """Count one request of a caller."""
        caller = f"{client[0]} port {client[1]}" if client else "an unknown address"
        if self._waits:
            self._followed += 1
            self._last = caller
            return
        self._waits = True
        loop.call_later(_SECONDS, self._summarize)
        log.warning("a request from %s is not valid HTTP; it is answered 400", caller)

    def _summarize(self) -> None:
        self._waits = False
        if self._followed:
            log.warning(
                "%d more requests within %.0f s were not valid HTTP; the last came from %s",
                self._followed,
                _SECONDS,
                self._last,
            )
        self._followed = 0
