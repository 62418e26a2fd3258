"""Reads columns fast, checked by their minimum and maximum; accepts all rows or none.

It gives the same rows as `Schema.encode_records` and `Schema.encode_table`.
"""

import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from domain.data.feature import MISSING, Feature, Kind, Vector
from domain.data.schema import Matrix, Schema
from domain.data.table import Coded, Table

# From the JSON values of a column to their numbers; raises one of `_NO` if it does not accept them.
_Numbers: TypeAlias = Callable[[Sequence[Any]], Sequence[float]]
_NO = (KeyError, TypeError, OverflowError, struct.error)

# The kinds of numpy's types that hold the values of a feature.
_FORMS = {Kind.NUMBER: "iuf", Kind.INTEGER: "iuf", Kind.BOOLEAN: "b", Kind.CATEGORY: ""}

# The code of a text that is not a category: it is outside of every range.
_UNKNOWN = float("inf")

_LARGEST = sys.float_info.max


class ColumnReader:
    """Reads columns for one schema."""

    def __init__(self, schema: Schema) -> None:
        self._features = schema.features
        self._codes = [_codes(feature) for feature in schema.features]
        self._numbers = [_numbers(feature) for feature in schema.features]
        self._ranges = _Ranges(schema)

    def read(self, columns: Iterable[Sequence[Any]]) -> Matrix | None:
        """Return the rows, shape (rows, features), or None if a value does not fit.

        There is one column for each feature, in order; all have the same length, at least 1.
        """
        try:
            numbers = [of(column) for of, column in zip(self._numbers, columns, strict=True)]
            # All are known to be numbers; numpy would check the type of each again.
            packed = struct.pack(
                f"{len(numbers) * len(numbers[0])}d", *chain.from_iterable(numbers)
            )
        except _NO:
            return None
        return self._allowed(np.frombuffer(packed).reshape(len(numbers), -1))

    def read_table(self, table: Table) -> Matrix | None:
        """Return the rows of a table, shape (rows, features), or None if something does not fit.

        There is at least one row.
        """
        columns = np.empty((len(self._features), len(table)))
        for position, feature in enumerate(self._features):
            column = table.columns.get(feature.name)
            if isinstance(column, Coded):
                columns[position] = _of_texts(column, self._codes[position])
            elif isinstance(column, np.ndarray) and column.dtype.kind in _FORMS[feature.kind]:
                columns[position] = column
            else:
                return None
        return None if table.faults else self._allowed(columns)

    def _allowed(self, columns: Matrix) -> Matrix | None:
        return np.ascontiguousarray(columns.T) if self._ranges.allow(columns) else None


class _Ranges:
    """The range of each feature, checked for whole columns."""

    def __init__(self, schema: Schema) -> None:
        features = schema.features
        self._low, self._high = np.array([_range(feature) for feature in features]).T
        self._nullable = [feature.nullable for feature in features]
        self._integers = [i for i, f in enumerate(features) if f.kind is Kind.INTEGER]

    def allow(self, columns: Matrix) -> bool:
        """Whether all rows are in range.

        `columns` has the shape (features, rows), at least one row, and NaN where missing.
        """
        inside = (columns.min(axis=1) >= self._low) & (columns.max(axis=1) <= self._high)
        if not inside.all():
            outside = np.flatnonzero(~inside).tolist()
            if not all(self._allow_present(i, columns[i]) for i in outside):
                return False
        return all(_are_whole(columns[i]) for i in self._integers)

    def _allow_present(self, position: int, column: Vector) -> bool:
        """Whether a column with missing values is allowed: the comparison with NaN is false."""
        present = column[~np.isnan(column)]
        inside = (present >= self._low[position]) & (present <= self._high[position])
        return self._nullable[position] and bool(inside.all())


def _are_whole(column: Vector) -> bool:
    return bool(((np.floor(column) == column) | np.isnan(column)).all())


def _range(feature: Feature) -> tuple[float, float]:
    if feature.kind is Kind.CATEGORY:
        return 0.0, len(feature.categories) - 1.0
    low, high = feature.low, feature.high
    return -_LARGEST if low is None else low, _LARGEST if high is None else high


def _codes(feature: Feature) -> dict[str | None, float]:
    codes: dict[str | None, float] = {v: float(i) for i, v in enumerate(feature.categories)}
    return {**codes, None: MISSING} if feature.nullable else codes


def _of_texts(column: Coded, codes: dict[str | None, float]) -> Vector:
    lookup = [*(codes.get(text, _UNKNOWN) for text in column.values), MISSING]
    numbers: Vector = np.array(lookup).take(column.codes)
    return numbers


def _numbers(feature: Feature) -> _Numbers:
    if feature.kind is Kind.CATEGORY:
        codes = _codes(feature)
        return lambda column: [*map(codes.__getitem__, column)]
    kinds: set[type] = {bool} if feature.kind is Kind.BOOLEAN else {int, float}
    return lambda column: _known(column, kinds, feature.nullable)


def _known(column: Sequence[Any], kinds: set[type], nullable: bool) -> Sequence[float]:
    found = {*map(type, column)}
    if found <= kinds:
        return column
    if nullable and found <= {*kinds, type(None)}:
        return [MISSING if value is None else value for value in column]
    raise TypeError(f"not {kinds}")
