"""How long the server waits for a caller."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for the headers of a request, and for its body or for taking some of the answer."""

    header_seconds: float = 10.0
    body_seconds: float = 30.0
