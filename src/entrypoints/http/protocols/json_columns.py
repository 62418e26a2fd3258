"""Columns of a table from JSON values, and the columns that a schema requires."""

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
    """Return texts as a coded column; each distinct text is decoded once.

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
    """Return the table of the features; a nullable feature without a column is missing in all rows.

    Raises:
        InvalidData: another feature has no column.
    """
    require_features(columns, schema)
    names = schema.names
    if len(columns) < len(names):
        missing = Coded(np.full(rows, -1, dtype=np.int32), ())
        return Table({name: columns.get(name, missing) for name in names}, rows)
    return Table({name: columns[name] for name in names}, rows)


def require_features(names: Collection[str], schema: Schema) -> None:
    """Check that every feature that is not nullable is among these names.

    Raises:
        InvalidData: one is not; the given names are not repeated.
    """
    absent = [f.name for f in schema.features if not f.nullable and f.name not in names]
    if absent:
        raise InvalidData(f"{', '.join(map(repr, absent))} missing; needed: {needs(schema)}")


def needs(schema: Schema) -> str:
    """Return the features of a row as text."""
    return ", ".join(map(_need, schema.features))


def _need(feature: Feature) -> str:
    return f"{feature.name} (may be left out)" if feature.nullable else feature.name
