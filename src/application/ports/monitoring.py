"""Ports of monitoring: traces."""

from collections.abc import Mapping
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Traces(Protocol):
    """Records spans: operations and their durations.

    It never raises and never waits: a span that cannot be recorded is dropped.
    """

    def record(
        self,
        name: str,
        seconds: float,
        attributes: Attributes,
        *,
        caller: Mapping[str, str] | None = None,
        failed: bool = False,
    ) -> None:
        """Record a span of `seconds` that ends now.

        `caller` are the headers of a request, which may name the trace that it belongs to.
        """
        ...

    def close(self) -> None:
        """Send the remaining spans, unless that takes too long, and end."""
        ...
