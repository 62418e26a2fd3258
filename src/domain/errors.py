"""All errors that the program raises on purpose.

ModelportError
├── InvalidData             input that is not allowed
│   ├── InvalidRows         rows that break the schema
│   ├── UnreadableData      a file or table that cannot be parsed
│   └── ChecksumMismatch    bytes with another checksum than required
├── TooLarge                more rows or bytes than the limit
├── NotFound                a model, version, alias, file or table that does not exist
├── NotSupported            an operation that this installation or this model does not support
├── Conflict                a concurrent change, or an object that already exists
├── Unavailable             a store, tracker, source or output that cannot be reached now
├── ArtefactRejected        a model bundle that failed a check
└── Misconfigured           a setting with a value that is not allowed

`entrypoints.errors` maps them to HTTP status and exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of one row that breaks the schema; it never holds the value, the caller's data.

    `row` counts from zero. `field` is empty if the row as a whole breaks the schema. `allowed`
    describes the allowed values.
    """

    row: int
    field: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        where = f"row {self.row}, {self.field}:" if self.field else f"row {self.row}"
        return f"{where} {self.problem}; allowed: {self.allowed}"


class ModelportError(Exception):
    """Base class of all errors that modelport raises on purpose."""


class InvalidData(ModelportError):
    """Input that is not allowed."""


class InvalidRows(InvalidData):
    """Rows with `count` violations of the schema; `violations` holds the first ones."""

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
    """A file or table that cannot be parsed."""


class ChecksumMismatch(InvalidData):
    """Bytes with another checksum than required."""


class TooLarge(ModelportError):
    """More rows or bytes than the limit."""


class NotFound(ModelportError):
    """A model, version, alias, file or table that does not exist."""


class NotSupported(ModelportError):
    """An operation that this installation or this model does not support."""


class Conflict(ModelportError):
    """A concurrent change, or an object that already exists."""


class Unavailable(ModelportError):
    """A store, tracker, source or output that cannot be reached now; a retry may succeed."""


class ArtefactRejected(ModelportError):
    """A model bundle that failed a check and is not used."""


class Misconfigured(ModelportError):
    """A setting with a value that is not allowed."""
