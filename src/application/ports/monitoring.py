"""Ports of monitoring: traces."""

from collections.abc import Mapping
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Traces(Protocol):
    """Keeps what was done and how long it took, for whoever follows a request through systems.

    It never raises and never waits: what cannot be kept is dropped.
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
        """Keep what ends now and took so long.

        `caller` is given for a request: the headers in which it may say which trace it is part of.
        """
        ...

    def close(self) -> None:
        """Send what there is, unless that takes too long, and end."""
        ...
