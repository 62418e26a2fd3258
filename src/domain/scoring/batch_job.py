"""A batch job: what it is, what it has done, and what to report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import floor
from typing import Any, Self

from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetVersion
from domain.errors import InvalidData, Misconfigured, Violation
from domain.model.reference import ModelVersion
from domain.scoring.prediction import PLAIN, PredictionOptions

PREDICTION = "prediction"
LOWER = "lower"
UPPER = "upper"
EXTRAPOLATES = "extrapolates"
MODEL = "model"

# Between the names of features in one cell.
SEPARATOR = ", "


def contribution_of(feature: str) -> str:
    """Return the name of the column with what a feature adds to the prediction."""
    return f"contribution:{feature}"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One scoring of one data set by one model version; its `id` follows from what it is."""

    data_sha256: str
    model: str
    bundle_id: str
    chunk_rows: int
    keep: tuple[str, ...] = ()
    extras: PredictionOptions = PLAIN
    explained: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.chunk_rows < 1:
            raise InvalidData(f"chunk rows: {self.chunk_rows} is not at least 1")
        clash = {*self.added} & {*self.keep}
        if clash:
            raise InvalidData(
                f"column {', '.join(map(repr, sorted(clash)))} cannot be kept: "
                f"the output has a column of that name already"
            )
        if len({*self.keep}) != len(self.keep):
            raise InvalidData("a column to keep is named twice")

    @classmethod
    def of(
        cls,
        data: DatasetVersion,
        version: ModelVersion,
        chunk_rows: int,
        keep: Sequence[str],
        extras: PredictionOptions = PLAIN,
        *,
        explained: Sequence[str] = (),
    ) -> Self:
        """Describe the job that scores this data with this model.

        `explained` are the features whose contributions are asked for: all of them, or none.
        """
        whose = (data.sha256, version.label, version.bundle_id)
        return cls(*whose, chunk_rows, tuple(keep), extras, tuple(explained))

    @property
    def added(self) -> tuple[str, ...]:
        """The columns of the output beside those that are kept, in order."""
        interval = (LOWER, UPPER) if self.extras.interval is not None else ()
        return (
            PREDICTION,
            *interval,
            *((EXTRAPOLATES,) if self.extras.extrapolates else ()),
            *map(contribution_of, self.explained),
            MODEL,
        )

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that are the same for the same job and no other."""
        parts: list[Any] = [
            self.data_sha256,
            self.model,
            self.bundle_id,
            self.chunk_rows,
            *self.keep,
        ]
        if self.extras != PLAIN:
            parts.append({"interval": self.extras.interval, "beyond": self.extras.extrapolates})
        if self.explained:
            parts.append({"explained": [*self.explained]})
        return sha256(json_bytes(parts)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not scored; `row` counts the data rows of the input from one.

    Where the input is several files, `file` is the one with the row, which is its `row_in_file`.
    """

    row: int
    violations: tuple[Violation, ...]
    file: str = ""
    row_in_file: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Return the line of the rejects file: no data but the row's number and its faults."""
        place = {"file": self.file, "row_in_file": self.row_in_file} if self.file else {}
        return {
            "row": self.row,
            **place,
            "errors": [
                {"field": v.field, "problem": v.problem, "allowed": v.allowed}
                for v in self.violations
            ],
        }


_LIMIT = re.compile(r"(?P<rows>[0-9]{1,15})|(?P<percent>[0-9]{1,3}(\.[0-9]+)?)%")


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How many rows of an input may be rejected: so many, or that share, whichever is more."""

    rows: int = 1_000
    share: Fraction = Fraction(1, 2)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number of rows, such as `1000`, or a share of them, such as `5%`.

        Raises:
            Misconfigured: it is neither.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found and found["rows"]:
            return cls(int(found["rows"]), Fraction(0))
        if found and (percent := Fraction(found["percent"])) <= 100:
            return cls(0, percent / 100)
        raise Misconfigured(
            f"{text!r} is no limit of rejects; allowed: a number of rows, such as 1000, "
            f"or a share of them from 0% to 100%"
        )

    def of(self, total: int) -> int:
        """Return the most rejects that an input of so many rows may have."""
        return max(self.rows, floor(self.share * total))


@dataclass(frozen=True, slots=True)
class ChunkReceipt:
    """Proof that a chunk's rows are safely written."""

    index: int
    scored: int
    rejected: int

    @property
    def rows(self) -> int:
        """The rows that the chunk had."""
        return self.scored + self.rejected


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch job did: `rows` = scored + `rejected`.

    `ignored` are the input's columns that the model does not know and that were not kept.
    `was_finished`: an earlier run has done it all, and nothing was written.
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
