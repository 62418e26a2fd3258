"""Conversion of Arrow columns to columns of the domain."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adapters.arrow.reading.time_texts import time_texts
from domain.data.feature import Kind
from domain.data.table import Coded, Column, Kept
from domain.data.value_type import ValueType, integer_type, type_of
from domain.errors import InvalidData

_MAX_TEXT_BYTES = 1 << 30  # offsets of Arrow strings have 32 bits
_EXACT = 1 << 53
_MAX_EXACT_POWER = 22
_DECIMAL128_BYTES = 16
_BLANKS = " \t"
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf|infinity))$"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_VALUE_TYPES = (
    (pa.types.is_boolean, ValueType.BOOLEAN),
    (pa.types.is_floating, ValueType.NUMBER),
    (pa.types.is_decimal, ValueType.EXACT),
    (pa.types.is_uint64, ValueType.EXACT),
    (pa.types.is_int64, ValueType.INTEGER),
    (pa.types.is_integer, ValueType.SMALL_INTEGER),
    (pa.types.is_null, ValueType.MISSING),
)


@dataclass(frozen=True, slots=True, eq=False)
class ArrowValues:
    """Values that keep their Arrow type; they become Python objects only when they are decoded."""

    array: pa.Array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice | NDArray[Any]) -> "ArrowValues":
        if isinstance(rows, slice):
            return ArrowValues(self.array[rows])
        return ArrowValues(self.array.take(pa.array(np.arange(len(self))[rows])))

    def decoded(self) -> NDArray[Any]:
        """Return a typed numpy array if there is one, otherwise Python objects or times as text."""
        try:
            return _unchanged(pa.chunked_array([self.array]))
        except (OverflowError, ValueError) as error:  # pyarrow's errors are some of the latter
            raise InvalidData(
                f"kept values of the type {self.array.type} cannot be written as text: {error}; "
                f"write Parquet, or leave the column out"
            ) from error


def value_type(kind: pa.DataType) -> ValueType:
    """Return the type of the values of an Arrow type."""
    if pa.types.is_dictionary(kind):
        return value_type(kind.value_type)
    return next((found for is_type, found in _VALUE_TYPES if is_type(kind)), ValueType.TEXT)


def to_column(values: pa.ChunkedArray, kind: Kind | None) -> Column:
    """Return values of any type as a column, as `DataSource.read` specifies."""
    if kind is None:
        return _kept(values)
    if pa.types.is_dictionary(values.type):
        of_text = _is_text(values.type.value_type)
        return _coded(values) if of_text else to_column(values.cast(values.type.value_type), kind)
    match kind:
        case Kind.NUMBER | Kind.INTEGER if _is_numeric(values.type):
            return _floats(values) if kind is Kind.NUMBER else _integers(values)
        case Kind.CATEGORY if _is_binary(values.type):
            return _objects([*map(_decoded, values.to_pylist())])
        case Kind.CATEGORY if _is_text(values.type):
            return _coded(values.dictionary_encode())
        case _:
            return _unchanged(values)


def text_to_column(values: pa.ChunkedArray, kind: Kind | None, decimal: str = ".") -> Column:
    """Return text cells as a column; a cell that does not fit the kind stays text."""
    match kind:
        case Kind.NUMBER | Kind.INTEGER:
            return _numbers_from_text(values, decimal)
        case Kind.BOOLEAN:
            return _booleans_from_text(values)
        case _:
            return to_column(values, kind)


def objects_to_column(values: list[Any], kind: Kind | None) -> Column:
    """Return Python objects as a column: typed if all fit the kind, otherwise as objects."""
    objects = _objects(values)
    if kind is None:
        return Kept(type_of(values), objects)
    wanted = {
        Kind.NUMBER: (int, float),
        Kind.INTEGER: (int, float),
        Kind.CATEGORY: (str,),
        Kind.BOOLEAN: (bool,),
    }
    if kind in wanted and {type(value) for value in values} <= {*wanted[kind], type(None)}:
        try:
            return to_column(pa.chunked_array([pa.array(values)]), kind)
        except (pa.ArrowInvalid, OverflowError):
            return objects  # integers of more than 64 bits
    return objects


def with_type_of_values(values: pa.ChunkedArray) -> Kept:
    """Return values unchanged, with the type that their values need."""
    kept = _kept(values)
    if kept.type is not ValueType.INTEGER:
        return kept if values.null_count < len(values) else Kept(ValueType.MISSING, kept.values)
    limits = pc.min_max(values)
    smallest, largest = limits["min"].as_py() or 0, limits["max"].as_py() or 0
    return Kept(integer_type(smallest, largest), kept.values)


def may_be_inexact(values: pa.ChunkedArray) -> bool:
    """Whether parsed numbers may have been integers that are other numbers as doubles.

    These are integers beyond 2^53, and -0, which is 0 as an integer.
    """
    if not pa.types.is_floating(values.type):
        return False
    is_large = pc.greater_equal(pc.abs(values), float(2**53))
    is_minus_zero = pc.equal(pc.divide(1.0, values), -inf)
    return bool(pc.any(pc.or_(is_large, is_minus_zero)).as_py())


def has_nan(values: pa.ChunkedArray) -> bool:
    """Whether a cell that is not missing was parsed as NaN."""
    return pa.types.is_floating(values.type) and bool(pc.any(pc.is_nan(values)).as_py())


def _unchanged(values: pa.ChunkedArray) -> NDArray[Any]:
    """Return values as a typed numpy array if there is one, otherwise as Python objects."""
    kind = values.type
    is_typed = _is_text(kind) or pa.types.is_floating(kind) or pa.types.is_date32(kind)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        is_typed = not values.null_count
    if pa.types.is_timestamp(kind) and kind.tz is None:
        is_typed = True
    elif pa.types.is_temporal(kind) and not is_typed:
        values = pa.chunked_array(map(time_texts, values.chunks), pa.large_string())
    if is_typed:
        array: NDArray[Any] = values.to_numpy()
        return array
    return _objects(values.to_pylist())


def _kept(values: pa.ChunkedArray) -> Kept:
    """Return values that keep their Arrow type; text is of one type, if it is not too large."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if _is_text(values.type):
        is_small = values.nbytes <= _MAX_TEXT_BYTES
        values = values.cast(pa.string() if is_small else pa.large_string())
    array = values.combine_chunks()
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return Kept(value_type(array.type), ArrowValues(array))


def _floats(values: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_decimal(values.type):
        return np.concatenate([np.zeros(0), *map(_nearest, filter(len, values.chunks))])
    array: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy()
    return array


def _nearest(decimals: pa.Array) -> NDArray[np.float64]:
    """Return the nearest double of each decimal, as if its text was parsed; Arrow's cast errs.

    The quotient of an integer of at most 53 bits and a power of ten up to 22 is rounded correctly,
    because both are exact doubles.
    """
    if decimals.type.byte_width < _DECIMAL128_BYTES:
        decimals = decimals.cast(pa.decimal128(decimals.type.precision, decimals.type.scale))
    words = np.frombuffer(decimals.buffers()[1], "<i8").reshape(-1, decimals.type.byte_width // 8)
    integers, *higher = words[decimals.offset : decimals.offset + len(decimals)].T
    scale = decimals.type.scale
    exact = (integers >= -_EXACT) & (integers <= _EXACT) & (0 <= scale <= _MAX_EXACT_POWER)
    for word in higher:
        exact &= word == integers >> 63
    numbers: NDArray[np.float64] = integers / 10.0 ** min(max(scale, 0), _MAX_EXACT_POWER)
    missing = decimals.is_null().to_numpy(zero_copy_only=False)
    numbers[missing] = np.nan
    others = np.flatnonzero(~exact & ~missing)
    numbers[others] = [*map(float, decimals.take(others).to_pylist())]
    return numbers


def _integers(values: pa.ChunkedArray) -> NDArray[Any]:
    fits = pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type)
    if fits and not values.null_count:
        array: NDArray[np.int64] = values.cast(pa.int64()).to_numpy()
        return array
    return _floats(values)


def _coded(values: pa.ChunkedArray) -> Coded:
    merged = pa.chunked_array(values.unify_dictionaries().chunks, values.type)
    categories = merged.chunk(0).dictionary.to_pylist()
    codes = pa.chunked_array([chunk.indices for chunk in merged.chunks])
    numbers: NDArray[np.int32] = codes.fill_null(-1).to_numpy().astype(np.int32)
    return Coded(numbers, tuple(categories))


def _numbers_from_text(values: pa.ChunkedArray, decimal: str) -> NDArray[Any]:
    trimmed = pc.utf8_trim(values, _BLANKS)
    if decimal != ".":  # a point is then no part of a number
        trimmed = pc.replace_substring(trimmed, ".", "_")
        trimmed = pc.replace_substring(trimmed, decimal, ".")
    fits = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), True)
    numbers = _floats(pc.if_else(fits, trimmed, "0"))
    others = np.flatnonzero(~fits.to_numpy())
    if not len(others):
        return numbers
    objects: NDArray[Any] = numbers.astype(object)
    objects[np.isnan(numbers)] = None
    objects[others] = values.take(others).to_numpy()
    return objects


def _booleans_from_text(values: pa.ChunkedArray) -> NDArray[Any]:
    texts = [text.strip(_BLANKS).lower() if text else text for text in values.to_pylist()]
    found = [_BOOLEANS.get(text) if text else None for text in texts]
    objects = _objects(
        [
            original if parsed is None else parsed
            for original, parsed in zip(values.to_pylist(), found, strict=True)
        ]
    )
    return objects if None in found else objects.astype(bool)


def _decoded(value: bytes | None) -> str | bytes | None:
    """Return UTF-8 as text; some programs store text as bytes."""
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _objects(values: list[Any]) -> NDArray[Any]:
    return np.fromiter(values, dtype=object, count=len(values))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
