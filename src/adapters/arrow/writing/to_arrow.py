"""Conversion of tables of the domain to Arrow tables, CSV and JSON Lines."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.data.table import Coded, Column, Table, plain
from domain.errors import InvalidData

_TEXT = pa.large_string()
_NEEDS_QUOTES = r'[",\r\n]'
_NEEDS_ESCAPES = r'[\x00-\x1f"\\]'


def to_arrow(table: Table) -> pa.Table:
    """Return an Arrow table: NaN and None are null, categories are text."""
    return pa.table({name: _to_array(column) for name, column in table.columns.items()})


def to_csv(table: Table) -> bytes:
    """Return the rows as CSV without a header; numbers in the fewest digits that round-trip."""
    cells = [_csv_cells(name, column) for name, column in table.columns.items()]
    lines = _join(*cells, separator=",")
    if len(cells) == 1:  # readers skip empty lines
        lines = pc.if_else(pc.equal(lines, ""), pa.scalar('""', _TEXT), lines)
    return _bytes(_join(lines, "", separator="\n"))


def to_texts(name: str, column: Column) -> pa.Array:
    """Return the cells of a column as in CSV but without quotes; null where missing."""
    texts = _texts(array := _to_array(column))
    return _json_texts(name, array.to_pylist(), bare=True) if texts is None else texts


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
        fragments.append(pc.fill_null(_json_values(name, column), "null"))
    return _bytes(_join(*fragments, "}\n", separator=""))


def _to_array(column: Column) -> pa.Array:
    array = _typed(column)
    if array is None:
        array = pa.array(_each(plain(column).tolist(), partial(_json_text, bare=True)), pa.string())
    return array


def _typed(column: Column) -> pa.Array | None:
    """Return a column as an Arrow array; None if its values have several types."""
    if isinstance(column, Coded):
        codes = pa.array(column.codes, mask=column.codes < 0)
        values = pa.array(column.values, pa.string())
        return pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _csv_cells(name: str, column: Column) -> pa.Array:
    texts = to_texts(name, column)
    quoted = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(quoted).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(quoted, _quoted(doubled), texts)


def _json_values(name: str, column: Column) -> pa.Array:
    array = _typed(column)
    texts = None if array is None else _texts(array)
    if array is None or texts is None:
        return _json_texts(name, plain(column).tolist(), bare=False)
    if pa.types.is_floating(array.type):
        names = pc.replace_substring(texts, "inf", "Infinity")
        return pc.if_else(pc.is_finite(array), texts, _quoted(names))
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return texts
    if pc.any(pc.match_substring_regex(texts, _NEEDS_ESCAPES)).as_py():
        return _json_texts(name, texts.to_pylist(), bare=False)
    return pc.if_else(pc.is_valid(texts), _quoted(texts), texts)


def _texts(array: pa.Array) -> pa.Array | None:
    """Return values as text, times in ISO 8601; None if Arrow cannot convert the type."""
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_duration(kind):
        return None
    try:
        texts = array.cast(_TEXT)
    except pa.ArrowNotImplementedError:
        return None
    if pa.types.is_temporal(kind):
        texts = pc.replace_substring(texts, " ", "T")
        texts = pc.replace_substring_regex(texts, r"\.0+(\D.*)?$", r"\1")
    return texts


def _json_texts(name: str, values: list[Any], *, bare: bool) -> pa.Array:
    try:
        return pa.array(_each(values, partial(_json_text, bare=bare)), _TEXT)
    except TypeError as error:
        raise InvalidData(
            f"column {name!r} cannot be written as text: {error}; write a .parquet file"
        ) from error


def _each(values: list[Any], text: Callable[[Any], str]) -> list[str | None]:
    return [None if value is None else text(value) for value in values]


def _json_text(value: Any, *, bare: bool) -> str:
    """Return a value as JSON; a string without quotes if `bare`."""
    if bare and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


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
