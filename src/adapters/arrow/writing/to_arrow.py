"""Conversion of tables of the domain to Arrow tables, CSV and JSON Lines."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.arrow.reading.from_arrow import ArrowValues, value_type
from adapters.arrow.reading.time_texts import time_texts
from adapters.formats.cell_text import cell_text, json_text
from domain.data.table import Coded, Column, Kept, Table, plain
from domain.data.value_type import ValueType

_TEXT = pa.large_string()
_NEEDS_QUOTES = r'[",\r\n]'
_NEEDS_ESCAPES = r'[\x00-\x1f"\\]'
_TYPES = {
    ValueType.BOOLEAN: pa.bool_(),
    ValueType.SMALL_INTEGER: pa.int64(),
    ValueType.INTEGER: pa.int64(),
    ValueType.NUMBER: pa.float64(),
    ValueType.MISSING: pa.string(),
}


def to_arrow(table: Table) -> pa.Table:
    """Return an Arrow table: NaN and None are null, categories are text."""
    return pa.table({name: _to_array(column) for name, column in table.columns.items()})


def to_csv(table: Table) -> bytes:
    """Return the rows as CSV without a header; numbers in the fewest digits that round-trip."""
    cells = [*map(_csv_cells, table.columns.values())]
    lines = _join(*cells, separator=",")
    if len(cells) == 1:  # readers skip empty lines
        lines = pc.if_else(pc.equal(lines, ""), pa.scalar('""', _TEXT), lines)
    return _bytes(_join(lines, "", separator="\n"))


def to_texts(column: Column) -> pa.Array:
    """Return the cells of a column as in CSV but without quotes; null where missing."""
    array = _typed(column)
    texts = None if array is None else as_texts(array)
    return _each(column, cell_text) if texts is None else texts


def csv_header(names: tuple[str, ...]) -> bytes:
    """Return the first line of a CSV file."""
    return to_csv(
        Table.of({str(index): np.array([name], object) for index, name in enumerate(names)})
    )


def to_json_lines(table: Table) -> bytes:
    """Return the rows as JSON objects, one per line; missing values are null."""
    fragments: list[Any] = []
    for name, column in table.columns.items():
        fragments.append(f"{', ' if fragments else '{'}{json.dumps(name, ensure_ascii=False)}: ")
        fragments.append(pc.fill_null(_json_values(column), "null"))
    return _bytes(_join(*fragments, "}\n", separator=""))


def _to_array(column: Column) -> pa.Array:
    array = _typed(column)
    if array is None and isinstance(column, Kept) and column.type is ValueType.EXACT:
        array = _decimals(plain(column).tolist())
    return _each(column, cell_text).cast(pa.string()) if array is None else array


def _typed(column: Column) -> pa.Array | None:
    """Return a column as an Arrow array; None if its values are to be written as text."""
    if isinstance(column, Kept):
        return _kept(column)
    if isinstance(column, Coded):
        codes = pa.array(column.codes, mask=column.codes < 0)
        values = pa.array(column.values, pa.string())
        return pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _kept(column: Kept) -> pa.Array | None:
    """Return kept values as the type of their whole column; in Arrow's own type if it has one."""
    values, kind = column.values, column.type
    if isinstance(values, ArrowValues):
        own = values.array.type
        if kind in _TYPES and value_type(own) in (ValueType.TEXT, ValueType.MISSING):
            return pa.nulls(len(values), _TYPES[kind])  # this chunk has no value
        is_text = kind is ValueType.TEXT and value_type(own) is not ValueType.TEXT
        if kind is ValueType.NUMBER and not pa.types.is_floating(own):
            return values.array.cast(_TYPES[kind])
        return None if is_text else values.array
    if isinstance(values, np.ndarray) and kind in _TYPES:
        return pa.array(values, from_pandas=True).cast(_TYPES[kind])
    return _typed(values) if isinstance(values, Coded) else None


def _decimals(values: list[Any]) -> pa.Array | None:
    """Return exact numbers as decimals; None if they have too many digits."""
    try:
        return pa.array([None if value is None else Decimal(value) for value in values])
    except (pa.ArrowInvalid, OverflowError):
        return None


def _csv_cells(column: Column) -> pa.Array:
    texts = to_texts(column)
    quoted = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(quoted).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(quoted, _quoted(doubled), texts)


def _json_values(column: Column) -> pa.Array:
    array = _typed(column)
    texts = None if array is None else as_texts(array)
    if array is None or texts is None:
        return _each(column, json_text)
    if pa.types.is_floating(array.type):
        names = pc.replace_substring(texts, "inf", "Infinity")
        return pc.if_else(pc.is_finite(array), texts, _quoted(names))
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return texts
    if pc.any(pc.match_substring_regex(texts, _NEEDS_ESCAPES)).as_py():
        return pa.array(
            [
                None if text is None else json.dumps(text, ensure_ascii=False)
                for text in texts.to_pylist()
            ],
            _TEXT,
        )
    return pc.if_else(pc.is_valid(texts), _quoted(texts), texts)


def as_texts(array: pa.Array) -> pa.Array | None:
    """Return values as text, times in ISO 8601; None if Arrow cannot convert the type."""
    if pa.types.is_temporal(array.type):
        return time_texts(array)
    try:
        return None if pa.types.is_binary(array.type) else array.cast(_TEXT)
    except pa.ArrowNotImplementedError:
        return None


def _each(column: Column, text: Callable[[Any], str]) -> pa.Array:
    """Return each value as text; null where missing."""
    values = plain(column).tolist()
    return pa.array([None if value is None else text(value) for value in values], _TEXT)


def _quoted(texts: pa.Array) -> pa.Array:
    return _join('"', texts, '"', separator="")


def _join(*arrays: Any, separator: str) -> pa.Array:
    """Join arrays of text row by row; null is an empty text."""
    return pc.binary_join_element_wise(
        *(pa.scalar(each, _TEXT) if isinstance(each, str) else each for each in arrays),
        pa.scalar(separator, _TEXT),
        null_handling="replace",
    )


def _bytes(lines: pa.Array) -> bytes:
    """Return all texts of an array, concatenated."""
    if not len(lines):
        return b""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return bytes(memoryview(data)[ends[0] : ends[-1]])
