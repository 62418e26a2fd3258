"""A batch job: identity, receipts, rejects and report."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import floor
from typing import Any, Self

from domain.canonical_json import json_bytes
from domain.errors import InvalidData, Misconfigured, Violation
from domain.scoring.prediction import PLAIN, PredictionOptions

ROW = "row"
PREDICTION = "prediction"
LOWER = "lower"
UPPER = "upper"
EXTRAPOLATES = "extrapolates"
MODEL = "model"

# Separates the names of features in one cell.
SEPARATOR = ", "


def contribution_of(feature: str) -> str:
    """Return the name of the output column with the contribution of a feature."""
    return f"contribution:{feature}"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """The scoring of a dataset by a model version; `id` is derived from all its fields.

    `explained` are the features with contributions in the output: all features, or none.
    `row_number`: the output has the number of each row in the input, from one.
    """

    data_sha256: str
    model: str
    bundle_id: str
    chunk_rows: int
    keep: tuple[str, ...] = ()
    options: PredictionOptions = PLAIN
    explained: tuple[str, ...] = ()
    row_number: bool = False

    def __post_init__(self) -> None:
        if self.chunk_rows < 1:
            raise InvalidData(f"chunk rows: {self.chunk_rows} is not at least 1")
        clash = {*self.added} & {*self.keep}
        if clash:
            raise InvalidData(
                f"column {', '.join(map(repr, sorted(clash)))} cannot be kept: "
                f"the output has its own column of that name"
            )
        if len({*self.keep}) != len(self.keep):
            raise InvalidData("a column to keep is named twice")

    @property
    def added(self) -> tuple[str, ...]:
        """The columns of the output after the kept ones, in order."""
        interval = (LOWER, UPPER) if self.options.interval is not None else ()
        return (
            *((ROW,) if self.row_number else ()),
            PREDICTION,
            *interval,
            *((EXTRAPOLATES,) if self.options.extrapolates else ()),
            *map(contribution_of, self.explained),
            MODEL,
        )

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits, the same for equal jobs only."""
        parts: list[Any] = [
            self.data_sha256,
            self.model,
            self.bundle_id,
            self.chunk_rows,
            *self.keep,
        ]
        if self.options != PLAIN:
            parts.append({"interval": self.options.interval, "beyond": self.options.extrapolates})
        if self.explained:
            parts.append({"explained": [*self.explained]})
        if self.row_number:
            parts.append({"row_number": True})
        return sha256(json_bytes(parts)).hexdigest()[:16]


def require_no_key_column(names: Iterable[str], keys: Sequence[str], where: str) -> None:
    """Check that no column to write has the name of a key column of the output.

    Raises:
        InvalidData: a column has, in small letters or capitals.
    """
    for name in names:
        if name.lower() in keys:
            raise InvalidData(
                f"{where}: column {name!r} cannot be written to this output: "
                f"{', '.join(map(repr, keys))} are its key columns"
            )


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not scored; `row` counts the data rows of the input from one.

    With several input files, `file` has the row, at position `row_in_file` from one.
    """

    row: int
    violations: tuple[Violation, ...]
    file: str = ""
    row_in_file: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Return the line of the rejects file: row number and violations, never the values."""
        in_file = {"file": self.file, "row_in_file": self.row_in_file} if self.file else {}
        return {
            "row": self.row,
            **in_file,
            "errors": [
                {"field": v.field, "problem": v.problem, "allowed": v.allowed}
                for v in self.violations
            ],
        }


_LIMIT = re.compile(r"(?P<rows>[0-9]{1,15})|(?P<percent>[0-9]{1,3}(\.[0-9]+)?)%")


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How many rows may be rejected: a number or a share of the input, whichever is more."""

    rows: int = 1_000
    share: Fraction = Fraction(1, 2)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number of rows, such as `1000`, or a share of the input, such as `5%`.

        Raises:
            Misconfigured: the text is neither.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found and found["rows"]:
            return cls(int(found["rows"]), Fraction(0))
        if found and (percent := Fraction(found["percent"])) <= 100:
            return cls(0, percent / 100)
        raise Misconfigured(
            f"max rejects: {text!r} is not allowed; allowed: a number of rows, such as 1000, "
            f"or a share from 0% to 100%"
        )

    def of(self, total: int) -> int:
        """Return the largest number of rejects for an input of `total` rows."""
        return max(self.rows, floor(self.share * total))


@dataclass(frozen=True, slots=True)
class ChunkReceipt:
    """The record of a chunk that is completely written."""

    index: int
    scored: int
    rejected: int

    @property
    def rows(self) -> int:
        """The number of rows of the chunk."""
        return self.scored + self.rejected


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The result of a batch job; `rows` = scored + `rejected`.

    `ignored` are columns of the input that are neither features nor kept. `was_finished`: an
    earlier run has finished the job, and this one wrote nothing.
    """

    job: str
    model: str
    output: str
    rejects: str | None
    rows: int
    rejected: int
    chunks: int
    resumed_chunks: int
    seconds: float
    ignored: tuple[str, ...] = ()
    was_finished: bool = False
