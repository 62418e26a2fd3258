"""Read all rows of a source with the target; every row must fit the schema."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from application.ports import DataSource
from domain.data.feature import Kind, Vector
from domain.data.schema import Matrix, Schema
from domain.data.split import Split
from domain.data.table import Table
from domain.errors import InvalidData, InvalidRows, Violation

_ROWS_AT_ONCE = 262_144
_VIOLATIONS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Features of shape (rows, features) and the target of shape (rows,)."""

    matrix: Matrix
    target: Vector

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: NDArray[np.intp]) -> "LabelledRows":
        return LabelledRows(self.matrix[rows], self.target[rows])

    def divide(self, split: Split) -> "Divided":
        """Return the training rows and the hold-out."""
        training, holdout = split.positions(len(self))
        return Divided(self[training], self[holdout])


@dataclass(frozen=True, slots=True)
class Divided:
    """Training rows, and the hold-out that the model must not see before its evaluation."""

    training: LabelledRows
    holdout: LabelledRows


@dataclass(frozen=True, slots=True)
class DataCheck:
    """The violations in a source.

    `violations` are the first ones, with data rows counted from one. `faults` counts each kind of
    violation (field, problem, what is allowed) over all rows.
    """

    rows: int
    rejected: int
    violations: tuple[Violation, ...]
    faults: Mapping[tuple[str, str, str], int]


def read_labelled(source: DataSource, schema: Schema) -> LabelledRows:
    """Return every row of a source.

    Raises:
        InvalidData: a column is missing, there are no rows, or the target is constant.
        InvalidRows: a row breaks the schema; data rows are counted from one.
    """
    parts: list[LabelledRows] = []
    check = check_labelled(source, schema, parts.append)
    if check.violations:
        raise InvalidRows(check.violations, sum(check.faults.values()))
    where = source.version.uri
    if not check.rows:
        raise InvalidData(f"{where}: there are no rows")
    rows = LabelledRows(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.target for part in parts]),
    )
    if np.ptp(rows.target) == 0:
        raise InvalidData(
            f"{where}: {schema.target.name} is the same in all {check.rows} rows: "
            f"no model can be fitted to a constant target"
        )
    return rows


def check_labelled(
    source: DataSource, schema: Schema, keep: Callable[[LabelledRows], None] | None = None
) -> DataCheck:
    """Check every row of a source against the schema, target included.

    Raises:
        InvalidData: a column is missing or appears twice.
    """
    where = source.version.uri
    schema.require(source.columns, where)
    if schema.target.name not in source.columns:
        raise InvalidData(f"{where}: no column {schema.target.name!r}, which is the target")
    wanted: dict[str, Kind | None] = {**schema.kinds, schema.target.name: Kind.NUMBER}
    violations: list[Violation] = []
    faults: Counter[tuple[str, str, str]] = Counter()
    rows = rejected = 0
    for chunk in source.plan(_ROWS_AT_ONCE):
        part, found = _encode(source.read(chunk, wanted), schema)
        room = _VIOLATIONS_KEPT - len(violations)
        violations += [replace(v, row=chunk.start + v.row + 1) for v in found[:room]]
        faults.update((v.field, v.problem, v.allowed) for v in found)
        rows += len(part)
        rejected += len({v.row for v in found})
        if keep is not None:
            keep(part)
    return DataCheck(rows, rejected, tuple(violations), faults)


def _encode(table: Table, schema: Schema) -> tuple[LabelledRows, list[Violation]]:
    encoded = schema.encode_table(table)
    target, without = schema.encode_target(table)
    found = sorted((*encoded.violations, *without), key=lambda violation: violation.row)
    return LabelledRows(encoded.matrix, target), found
