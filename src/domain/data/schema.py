"""The schema of a table: the features of a row, and the allowed values of each.

Rows are a float64 matrix of shape (rows, features), in the order of the schema: numbers and
integers as they are, a boolean as 0 or 1, a category as its position in the list of categories,
and NaN for a missing value. Records (one row by name) and tables (columns by name) are checked by
the same rules and give the same matrix.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.canonical_json import json_value
from domain.data.feature import MISSING, Feature, Kind, Refused, Vector
from domain.data.table import Table, plain
from domain.errors import InvalidData, InvalidRows, Misconfigured, Violation

Matrix: TypeAlias = NDArray[np.float64]

# The form of names of models; the name of a schema is the name of its models. The length is what
# file systems and the columns of trackers take, with the suffixes and folders that adapters add.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Target:
    """The column to predict. `low` and `high` are inclusive bounds of it and of predictions."""

    name: str
    unit: str = ""
    description: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not all(map(isfinite, bounds)) or (len(bounds) == 2 and bounds[0] >= bounds[1]):
            raise Misconfigured(f"target {self.name!r}: `range` is not from a lower to a higher")

    @property
    def feature(self) -> Feature:
        """The rule that values of the target keep to."""
        return Feature(self.name, Kind.NUMBER, self.unit, low=self.low, high=self.high)

    def within_range(self, values: Vector) -> Vector:
        """Return the values, shape (rows,), with the nearest bound for those out of range.

        A value that is not finite stays: it is an overflow, not a large prediction.
        """
        if self.low is None and self.high is None:
            return values
        return np.where(np.isfinite(values), np.clip(values, self.low, self.high), values)

    def to_mapping(self) -> dict[str, Any]:
        """Return the target as JSON values, in the form of a schema file."""
        mapping: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "description": self.description,
        }
        bounded = self.low is not None or self.high is not None
        return {**mapping, "range": [self.low, self.high]} if bounded else mapping


@dataclass(frozen=True, slots=True)
class Ratio:
    """A feature derived from two others: numerator / denominator."""

    name: str
    numerator: str
    denominator: str


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The features with the location of a row, in degrees."""

    latitude: str
    longitude: str


@dataclass(frozen=True, slots=True)
class Card:
    """Notes for the model card, in sentences.

    `limits` are limitations of the data, `out_of_scope` are uses that the models are not for.
    """

    intended_use: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    source: str = ""
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """Checked rows: `matrix` has every row, but rows with violations must not be used."""

    matrix: Matrix
    violations: tuple[Violation, ...]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Whether each row fits the schema; shape (rows,)."""
        fits = np.ones(len(self.matrix), dtype=bool)
        fits[[violation.row for violation in self.violations]] = False
        return fits


@dataclass(frozen=True, slots=True)
class Schema:
    """Features in order, and the target."""

    name: str
    target: Target
    features: tuple[Feature, ...]
    ratios: tuple[Ratio, ...] = ()
    coordinates: Coordinates | None = None
    description: str = ""
    card: Card | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise Misconfigured(
                f"schema {self.name!r}: the name must be a letter, "
                f"then at most 99 letters, digits, dots, dashes or underscores"
            )
        if not self.features:
            raise Misconfigured(f"schema {self.name!r}: there must be at least one feature")
        self._check_columns()
        self._check_uses()

    def _check_columns(self) -> None:
        names = [*self.names, *(ratio.name for ratio in self.ratios), self.target.name]
        if "" in names:
            raise Misconfigured(f"schema {self.name!r}: a column has an empty name")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Misconfigured(f"schema {self.name!r}: {', '.join(twice)} appears twice")

    def _check_uses(self) -> None:
        numeric = {f.name for f in self.features if f.kind in (Kind.NUMBER, Kind.INTEGER)}
        used = {part for r in self.ratios for part in (r.numerator, r.denominator)}
        if self.coordinates is not None:
            used |= {self.coordinates.latitude, self.coordinates.longitude}
        if not used <= numeric:
            raise Misconfigured(
                f"schema {self.name!r}: {', '.join(sorted(used - numeric))} must be a feature "
                f"of kind number or integer to be used in a ratio or as a coordinate"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each feature, by name."""
        return {feature.name: feature.kind for feature in self.features}

    @property
    def example(self) -> dict[str, float | str | bool | None]:
        """A row that fits the schema, made of the examples of the features."""
        return {feature.name: feature.sample for feature in self.features}

    def to_mapping(self) -> dict[str, Any]:
        """Return the schema as JSON values, in the form of a schema file."""
        mapping: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "target": json_value(self.target),
        }
        if self.card:
            mapping["card"] = json_value(self.card)
        if self.coordinates:
            mapping["coordinates"] = json_value(self.coordinates)
        mapping["features"] = [_feature_to_mapping(feature) for feature in self.features]
        mapping["derived"] = [
            {"name": ratio.name, "ratio": [ratio.numerator, ratio.denominator]}
            for ratio in self.ratios
        ]
        return mapping

    def has_same_rows_as(self, other: "Schema") -> bool:
        """Whether both schemas encode a row in the same way."""
        return [(f.name, f.kind, f.categories) for f in self.features] == [
            (f.name, f.kind, f.categories) for f in other.features
        ]

    def require(self, columns: Sequence[str], where: str) -> None:
        """Check that a table with these columns has every feature.

        Raises:
            InvalidData: a feature is missing, or a column with a name appears twice.
        """
        twice = sorted({name for name in columns if name and list(columns).count(name) > 1})
        if twice:
            raise InvalidData(f"{where}: column {', '.join(map(repr, twice))} appears twice")
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise InvalidData(
                f"{where}: no column {', '.join(map(repr, missing))}; "
                f"it has {', '.join(map(repr, columns)) or 'no columns'}"
            )

    def unknown(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that are neither feature nor target, in their order."""
        known = {*self.names, self.target.name}
        return tuple(name for name in columns if name not in known)

    def encode_records(self, records: Sequence[object]) -> Matrix:
        """Return the rows of records, one mapping of feature name to value each, as a matrix.

        A nullable feature may be left out.

        Raises:
            InvalidRows: at least one field is not allowed; all of them are named.
        """
        violations: list[Violation] = []
        matrix = np.empty((len(records), len(self.features)), dtype=np.float64)
        for row, record in enumerate(records):
            if isinstance(record, Mapping):
                matrix[row] = self._encode_record(record, row, violations)
            else:
                violations.append(Violation(row, "", "is not an object", self._fields()))
        if violations:
            raise InvalidRows(violations)
        return matrix

    def _encode_record(
        self, record: Mapping[Any, object], row: int, violations: list[Violation]
    ) -> list[float]:
        vector: list[float] = []
        for feature in self.features:
            try:
                vector.append(feature.encode(record.get(feature.name)))
            except Refused as refused:
                vector.append(MISSING)
                violations.append(Violation(row, feature.name, str(refused), feature.allowed))
        unknown = len(record) - sum(feature.name in record for feature in self.features)
        if unknown:
            problem = f"has {unknown} unknown field{'s' if unknown > 1 else ''}"
            violations.append(Violation(row, "", problem, self._fields()))
        return vector

    def _fields(self) -> str:
        return f"an object with the fields {', '.join(self.names)}"

    def encode_table(self, table: Table) -> Encoded:
        """Return the rows of a table as a matrix, with all violations.

        Raises:
            InvalidData: a feature has no column.
        """
        self.require(list(table.columns), "the table")
        columns = np.zeros((len(self.features), len(table)), dtype=np.float64)
        violations: list[Violation] = []
        for position in self._write_plain(table, columns):
            feature = self.features[position]
            columns[position], problems = feature.encode_column(table.column(feature.name))
            violations += [
                Violation(row, feature.name, problem, feature.allowed)
                for row, problem in problems.items()
            ]
        return Encoded(np.ascontiguousarray(columns.T), _with_faults(table, violations))

    def _write_plain(self, table: Table, columns: Matrix) -> list[int]:
        """Write the columns of valid numbers; return the positions of the other features.

        If the least and the greatest number of a column are in range, all are. The extremes of all
        columns are computed at once, which is much faster than one by one.
        """
        features = self.features
        numeric = [
            i for i, f in enumerate(features) if f.needs_range_check_only(table.column(f.name))
        ]
        if not numeric or not len(table):
            return [*range(len(features))]
        for position in numeric:
            columns[position] = plain(table.columns[features[position].name])
        least, most = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
        done = {i for i in numeric if features[i].allows_range(least[i], most[i])}
        return [position for position in range(len(features)) if position not in done]

    def encode_target(self, table: Table) -> tuple[Vector, tuple[Violation, ...]]:
        """Return the target of each row, shape (rows,), and the violations.

        Raises:
            InvalidData: there is no target column.
        """
        feature = self.target.feature
        values, problems = feature.encode_column(table.column(feature.name))
        faulty = {fault.row for fault in table.faults}
        return values, tuple(
            Violation(row, feature.name, problem, feature.allowed)
            for row, problem in sorted(problems.items())
            if row not in faulty
        )


def _with_faults(table: Table, violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """Return all violations by row; a row that could not be read yields a single one."""
    faulty = {fault.row for fault in table.faults}
    found = [*table.faults, *(v for v in violations if v.row not in faulty)]
    return tuple(sorted(found, key=lambda violation: violation.row))


def _feature_to_mapping(feature: Feature) -> dict[str, Any]:
    bounded = feature.low is not None or feature.high is not None
    optional: dict[str, Any] = {
        "unit": feature.unit,
        "range": [feature.low, feature.high] if bounded else None,
        "nullable": feature.nullable,
        "categories": list(feature.categories),
        "description": feature.description,
    }
    mapping = {"name": feature.name, "kind": feature.kind.value}
    mapping |= {key: value for key, value in optional.items() if value}
    return mapping if feature.example is None else {**mapping, "example": feature.example}
