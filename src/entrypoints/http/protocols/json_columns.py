"""Columns of a table from values that JSON can hold, and the columns that a schema asks for."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Feature
from domain.data.schema import Schema
from domain.data.table import Coded, Column, Table
from domain.errors import InvalidData

_NUMBERS = {int, float, type(None)}
_TEXTS = {str, type(None)}


def to_column(values: Sequence[Any]) -> Column:
    """Return values as numbers, texts or booleans if all are of one kind, else as objects."""
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            return to_objects(values)
    if kinds <= _TEXTS:
        return to_codes(values)
    return np.array(values) if kinds == {bool} else to_objects(values)


def to_codes(values: Sequence[str | bytes | None]) -> Coded:
    """Return texts, each of which is decoded once.

    Raises:
        UnicodeDecodeError: a text is not UTF-8.
    """
    known: dict[str | bytes | None, int] = {None: -1}
    codes = [known.setdefault(value, len(known) - 1) for value in values]
    distinct = [value for value in known if value is not None]
    texts = tuple(v.decode() if isinstance(v, bytes) else v for v in distinct)
    return Coded(np.array(codes, dtype=np.int32), texts)


def to_objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return values as they are."""
    return np.fromiter(values, dtype=object, count=len(values))


def to_table(columns: Mapping[str, Column], schema: Schema, rows: int) -> Table:
    """Return the columns of the features; a nullable feature that has none is missing throughout.

    Raises:
        InvalidData: another feature has no column.
    """
    require_features(columns, schema)
    names = schema.names
    if len(columns) < len(names):
        nothing = Coded(np.full(rows, -1, dtype=np.int32), ())
        return Table({name: columns.get(name, nothing) for name in names}, rows)
    return Table({name: columns[name] for name in names}, rows)


def require_features(names: Collection[str], schema: Schema) -> None:
    """Check that the features which must have a value are among these names.

    Raises:
        InvalidData: one is not; the names themselves are not repeated.
    """
    lacking = [f.name for f in schema.features if not f.nullable and f.name not in names]
    if lacking:
        raise InvalidData(f"{', '.join(map(repr, lacking))} missing; needed: {needs(schema)}")


def needs(schema: Schema) -> str:
    """Return what a row consists of, in words."""
    return ", ".join(map(_need, schema.features))


def _need(feature: Feature) -> str:
    return f"{feature.name} (may be left out)" if feature.nullable else feature.name
