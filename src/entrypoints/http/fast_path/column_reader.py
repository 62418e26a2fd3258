"""The quick way to read columns: many rows at a time, checked by their least and greatest number.

It says only yes or no, as `row_reader` does for few rows, and gives the vectors that
`Schema.encode_records` and `Schema.encode_table` give, which look at one thing after the other.
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

# From the values of a column, as JSON has them, to their numbers; raises one of these for a no.
_Numbers: TypeAlias = Callable[[Sequence[Any]], Sequence[float]]
_NO = (KeyError, TypeError, OverflowError, struct.error)

# Which types of numpy hold the values of a kind as they are.
_FORMS = {Kind.NUMBER: "iuf", Kind.INTEGER: "iuf", Kind.BOOLEAN: "b", Kind.CATEGORY: ""}

# Stands for a text that is no category; beyond every limit, should a row have it.
_UNKNOWN = float("inf")

_LARGEST = sys.float_info.max


class ColumnReader:
    """Reads columns of values, or of a table, for one schema."""

    def __init__(self, schema: Schema) -> None:
        self._features = schema.features
        self._codes = [_codes(feature) for feature in schema.features]
        self._numbers = [_numbers(feature) for feature in schema.features]
        self._limits = Limits(schema)

    def read(self, columns: Iterable[Sequence[Any]]) -> Matrix | None:
        """Return the rows, shape (rows, features), or None if a value does not fit.

        There is one column for each feature, in order; all have the same length, at least 1.
        """
        try:
            numbers = [of(column) for of, column in zip(self._numbers, columns, strict=True)]
            # All of them are known to be numbers: numpy would look at the type of each.
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
        for place, feature in enumerate(self._features):
            column = table.columns.get(feature.name)
            if isinstance(column, Coded):
                columns[place] = _of_texts(column, self._codes[place])
            elif column is not None and column.dtype.kind in _FORMS[feature.kind]:
                columns[place] = column
            else:
                return None
        return None if table.faults else self._allowed(columns)

    def _allowed(self, columns: Matrix) -> Matrix | None:
        return np.ascontiguousarray(columns.T) if self._limits.allow(columns) else None


class Limits:
    """Which numbers may stand for the values of each feature, asked of whole columns."""

    def __init__(self, schema: Schema) -> None:
        features = schema.features
        self._low, self._high = np.array([_range(feature) for feature in features]).T
        self._nullable = [feature.nullable for feature in features]
        self._integers = [i for i, f in enumerate(features) if f.kind is Kind.INTEGER]

    def allow(self, columns: Matrix) -> bool:
        """Whether all rows fit; shape (features, rows), at least one row, NaN where missing."""
        inside = (columns.min(axis=1) >= self._low) & (columns.max(axis=1) <= self._high)
        if not inside.all():
            doubtful = np.flatnonzero(~inside).tolist()
            if not all(self._allow_known(place, columns[place]) for place in doubtful):
                return False
        return all(_are_whole(columns[place]) for place in self._integers)

    def _allow_known(self, place: int, column: Vector) -> bool:
        """Whether the numbers of a column fit if some are missing, of which there is no least."""
        known = column[~np.isnan(column)]
        inside = (known >= self._low[place]) & (known <= self._high[place])
        return self._nullable[place] and bool(inside.all())


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
