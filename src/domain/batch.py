"""A batch job: what it is, what it has done, and what to report."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from domain.dataset import DatasetVersion
from domain.errors import InvalidData, Violation
from domain.model import ModelVersion, json_bytes

PREDICTION = "prediction"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One scoring of one data set by one model version; its `id` follows from what it is."""

    data_sha256: str
    model: str
    bundle_id: str
    chunk_rows: int
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.chunk_rows < 1:
            raise InvalidData(f"chunk rows: {self.chunk_rows} is not at least 1")
        clash = {PREDICTION, MODEL} & {*self.keep}
        if clash:
            raise InvalidData(
                f"column {', '.join(map(repr, sorted(clash)))} cannot be kept: "
                f"the output has a column of that name already"
            )
        if len({*self.keep}) != len(self.keep):
            raise InvalidData("a column to keep is named twice")

    @classmethod
    def of(
        cls, data: DatasetVersion, version: ModelVersion, chunk_rows: int, keep: Sequence[str]
    ) -> Self:
        """Describe the job that scores this data with this model."""
        return cls(data.sha256, version.label, version.bundle_id, chunk_rows, tuple(keep))

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that are the same for the same job and no other."""
        parts = [self.data_sha256, self.model, self.bundle_id, self.chunk_rows, *self.keep]
        return sha256(json_bytes(parts)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not scored; `row` counts the data rows of the input from one."""

    row: int
    violations: tuple[Violation, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return the line of the rejects file: no data but the row's number and its faults."""
        return {
            "row": self.row,
            "errors": [
                {"field": v.field, "problem": v.problem, "allowed": v.allowed}
                for v in self.violations
            ],
        }


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
