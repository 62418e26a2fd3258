"""From Arrow's columns to the domain's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from domain.data.feature import Kind
from domain.data.table import Coded, Column

_MOST_BYTES = 1 << 30  # Arrow counts those of an array of text by 32 bits
_BLANKS = " \t"
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf|infinity))$"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, eq=False)
class Texts(Sequence[str]):
    """Text that is held by Arrow, and becomes objects of Python where somebody looks at it."""

    array: pa.StringArray

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.array.to_pylist())

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        found: str | list[str] = (
            self.array[place].to_pylist() if isinstance(place, slice) else self.array[place].as_py()
        )
        return found

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return self.array if type is None else self.array.cast(type)


def to_column(values: pa.ChunkedArray, kind: Kind | None) -> Column:
    """Return values of whatever type as a column; see `DataSource.read`."""
    if pa.types.is_dictionary(values.type):
        if _is_text(values.type.value_type):
            return _coded(values)
        return to_column(values.cast(values.type.value_type), kind)
    match kind:
        case Kind.NUMBER if _is_numeric(values.type):
            return _floats(values)
        case Kind.INTEGER if _is_numeric(values.type):
            return _integers(values)
        case Kind.CATEGORY | None if _is_text(values.type):
            return _coded(values.dictionary_encode()) if kind else _handed_through(values)
        case _:
            return _as_it_stands(values)


def text_to_column(values: pa.ChunkedArray, kind: Kind | None) -> Column:
    """Return cells that are all text as a column; a cell that does not fit the kind stays text."""
    match kind:
        case Kind.NUMBER | Kind.INTEGER:
            return _numbers_from_text(values)
        case Kind.BOOLEAN:
            return _booleans_from_text(values)
        case _:
            return to_column(values, kind)


def objects_to_column(values: list[Any], kind: Kind | None) -> Column:
    """Return Python objects as a column: typed where all of them fit the kind, else as objects."""
    objects = _objects(values)
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
            return objects  # integers beyond 64 bits
    return objects


def not_a_number(values: pa.ChunkedArray) -> bool:
    """Whether a cell that is not missing was read as NaN."""
    return pa.types.is_floating(values.type) and bool(pc.any(pc.is_nan(values)).as_py())


def _as_it_stands(values: pa.ChunkedArray) -> NDArray[Any]:
    """Return values as numpy has them, or as Python objects where numpy does not."""
    kind = values.type
    numpy_has_it = _is_text(kind) or pa.types.is_floating(kind) or pa.types.is_date32(kind)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        numpy_has_it = not values.null_count
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            numpy_has_it = True
        else:
            values = _whole_microseconds(values)
    if numpy_has_it:
        array: NDArray[Any] = values.to_numpy()
        return array
    return _objects(values.to_pylist())


def _handed_through(values: pa.ChunkedArray) -> Column:
    """Return text that Arrow goes on to hold: to make objects of Python takes long."""
    if values.nbytes > _MOST_BYTES:
        return _as_it_stands(values)
    whole = pa.concat_arrays(values.cast(pa.string()).chunks or [pa.array([], pa.string())])
    codes = np.arange(len(whole), dtype=np.int32)
    codes[whole.is_null().to_numpy(zero_copy_only=False)] = -1
    return Coded(codes, Texts(whole))


def _floats(values: pa.ChunkedArray) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy()
    return array


def _integers(values: pa.ChunkedArray) -> NDArray[Any]:
    beyond = pa.types.is_uint64(values.type)
    if pa.types.is_integer(values.type) and not beyond and not values.null_count:
        array: NDArray[np.int64] = values.cast(pa.int64()).to_numpy()
        return array
    return _floats(values)


def _coded(values: pa.ChunkedArray) -> Coded:
    merged = pa.chunked_array(values.unify_dictionaries().chunks, values.type)
    categories = merged.chunk(0).dictionary.to_pylist()
    codes = pa.chunked_array([chunk.indices for chunk in merged.chunks])
    numbers: NDArray[np.int32] = codes.fill_null(-1).to_numpy().astype(np.int32)
    return Coded(numbers, tuple(categories))


def _numbers_from_text(values: pa.ChunkedArray) -> NDArray[Any]:
    trimmed = pc.utf8_trim(values, _BLANKS)
    fits = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), True)
    numbers = _floats(pc.if_else(fits, trimmed, "0"))
    refused = np.flatnonzero(~fits.to_numpy())
    if not len(refused):
        return numbers
    objects: NDArray[Any] = numbers.astype(object)
    objects[np.isnan(numbers)] = None
    objects[refused] = values.take(refused).to_numpy()
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


def _whole_microseconds(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times that Python can hold; as ISO 8601 where they are finer than that."""
    try:
        return values.cast(pa.timestamp("us", values.type.tz))
    except pa.ArrowInvalid:
        return pc.replace_substring(values.cast(pa.string()), " ", "T")


def _objects(values: list[Any]) -> NDArray[Any]:
    return np.fromiter(values, dtype=object, count=len(values))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
