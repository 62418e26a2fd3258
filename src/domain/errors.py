"""Everything that can go wrong, as one tree.

ModelportError
├── InvalidData             what was given does not fit what is asked for
│   ├── InvalidRows         some rows break the schema; carries one violation per field
│   ├── UnreadableData      a file or table that cannot be parsed at all
│   └── ChecksumMismatch    bytes that are not the ones that were asked for
├── TooLarge                more rows or bytes than the limit
├── NotFound                a model, version, alias, file or table that is not there
├── NotSupported            what this installation or this model cannot do
├── Conflict                somebody else was faster, or the thing exists already
├── Unavailable             a store, tracker, source or output that cannot be reached now
├── ArtefactRejected        a model bundle that failed a check and must not be used
└── Misconfigured           a setting with a value that is not allowed

How an error leaves the program (HTTP status, exit code) is decided in `entrypoints.errors`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of one row that breaks the schema.

    `row` counts from zero in the order given; `field` is empty where the row as a whole is wrong;
    `allowed` says what would have been accepted.
    The offending value itself is never kept: it belongs to the caller.
    """

    row: int
    field: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        place = f"row {self.row}, {self.field}:" if self.field else f"row {self.row}"
        return f"{place} {self.problem}; allowed: {self.allowed}"


class ModelportError(Exception):
    """Root of every error that modelport raises on purpose."""


class InvalidData(ModelportError):
    """What was given does not fit what is asked for."""


class InvalidRows(InvalidData):
    """Some rows break the schema: `count` violations, of which the first ones are kept."""

    SHOWN = 3

    def __init__(self, violations: Sequence[Violation], count: int | None = None) -> None:
        self.violations = tuple(violations)
        self.count = len(self.violations) if count is None else count
        shown = "\n".join(f"  {violation}" for violation in self.violations[: self.SHOWN])
        more = self.count - self.SHOWN
        tail = f"\n  and {more:,} more" if more > 0 else ""
        noun = "field breaks" if self.count == 1 else "fields break"
        super().__init__(f"{self.count:,} {noun} the schema:\n{shown}{tail}")

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Violation, ...], int]]:
        return type(self), (self.violations, self.count)


class UnreadableData(InvalidData):
    """A file or table that cannot be parsed at all."""


class ChecksumMismatch(InvalidData):
    """Bytes that are not the ones that were asked for."""


class TooLarge(ModelportError):
    """More rows or bytes than the limit."""


class NotFound(ModelportError):
    """A model, version, alias, file or table that is not there."""


class NotSupported(ModelportError):
    """What this installation or this model cannot do; trying again does not help."""


class Conflict(ModelportError):
    """Somebody else was faster, or the thing exists already."""


class Unavailable(ModelportError):
    """A store, tracker, source or output that cannot be reached now; trying again may help."""


class ArtefactRejected(ModelportError):
    """A model bundle that failed a check and must not be used."""


class Misconfigured(ModelportError):
    """A setting with a value that is not allowed."""
