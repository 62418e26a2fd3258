from collections.abc import Mapping
from dataclasses import dataclass

from application.ports import Attributes


@dataclass(frozen=True, slots=True)
class MemorySpan:
    """What was recorded of one thing that was done."""

    name: str
    seconds: float
    attributes: Attributes
    caller: Mapping[str, str] | None
    failed: bool


class MemoryTraces:
    """A `Traces` whose spans can be looked at."""

    def __init__(self) -> None:
        self.spans: list[MemorySpan] = []
        self.closed = False

    def record(
        self,
        name: str,
        seconds: float,
        attributes: Attributes,
        *,
        caller: Mapping[str, str] | None = None,
        failed: bool = False,
    ) -> None:
        self.spans.append(MemorySpan(name, seconds, attributes, caller, failed))

    def close(self) -> None:
        self.closed = True
