"""Columns from the content of tensors of the Open Inference Protocol, in JSON or in bytes.

Bytes are little-endian and row-major; each text follows its length in four bytes. In JSON the
elements are one list, or a list per row, and null is a missing value.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.table import Coded, Column
from domain.errors import InvalidData
from entrypoints.http.protocols.json_columns import to_codes, to_objects

Types: TypeAlias = Mapping[str, np.dtype[Any]]

BYTES = "BYTES"
BOOL = "BOOL"
FLOATS: Types = {f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)}
INTEGERS: Types = {f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)}
UNSIGNED: Types = {f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)}
NUMBERS: Types = {**FLOATS, **INTEGERS, **UNSIGNED}
DATATYPES = (BOOL, *UNSIGNED, *INTEGERS, *FLOATS, BYTES)

_TYPES: dict[str, tuple[set[type], str]] = {
    BYTES: ({str}, "a text"),
    BOOL: ({bool}, "true or false"),
    **dict.fromkeys(FLOATS, ({int, float}, "a number")),
    **dict.fromkeys((*INTEGERS, *UNSIGNED), ({int}, "an integer")),
}
_PREFIX = 4

# Fewer texts are read faster one by one.
_MIN_TEXTS = 32
_MAX_CACHED = 256


def from_bytes(
    content: memoryview, datatype: str, count: int, where: str, categories: tuple[str, ...] = ()
) -> Column:
    """Return the elements of a tensor in binary form; numbers are a view, not a copy.

    Texts are read faster if they are all among `categories`.

    Raises:
        InvalidData: there are not `count` of them, or one is not of the datatype.
    """
    if datatype == BYTES:
        known = read_categories(content, categories, count) if categories else None
        return known or _texts_from_bytes(content, count, where)
    kind = NUMBERS.get(datatype, np.dtype(np.uint8))
    if len(content) != count * kind.itemsize:
        raise InvalidData(
            f"{where}: {len(content)} bytes where its shape and datatype {datatype} "
            f"need {count * kind.itemsize}"
        )
    elements: NDArray[Any] = np.frombuffer(content, dtype=kind)
    if datatype != BOOL:
        return elements
    if elements.max(initial=0) > 1:
        row = int(np.argmax(elements > 1))
        raise InvalidData(f"{where}, element {row}: is not a boolean; allowed: a byte 0 or 1")
    return elements.view(np.bool_)


def from_json(data: Sequence[Any], datatype: str, shape: Sequence[int], where: str) -> Column:
    """Return the elements of a tensor in JSON.

    Raises:
        InvalidData: there are not as many as in the shape, or one is not of the datatype.
    """
    elements = _flat(data, shape, where)
    kinds = set(map(type, elements))
    allowed, meaning = _TYPES[datatype]
    if not kinds <= {*allowed, type(None)}:
        wrong = (i for i, v in enumerate(elements) if type(v) not in {*allowed, type(None)})
        raise InvalidData(f"{where}, element {next(wrong)}: is not {meaning}, as {datatype} needs")
    if datatype == BYTES:
        return to_codes(elements)
    if datatype == BOOL:
        return to_objects(elements) if type(None) in kinds else np.array(elements, dtype=bool)
    return _numbers(elements, datatype, where)


def _flat(data: Sequence[Any], shape: Sequence[int], where: str) -> Sequence[Any]:
    count = prod(shape)
    if data and isinstance(data[0], list):
        rows, width = shape if len(shape) == 2 else (shape[0], -1)
        if len(data) != rows or any(not isinstance(r, list) or len(r) != width for r in data):
            raise InvalidData(f"{where}: the lists inside data do not have its shape")
        return list(chain.from_iterable(data))
    if len(data) != count:
        raise InvalidData(f"{where}: {len(data)} elements where its shape has {count}")
    return data


def _numbers(elements: Sequence[Any], datatype: str, where: str) -> NDArray[Any]:
    kind = NUMBERS[datatype]
    missing = None in elements
    try:
        if datatype in FLOATS:
            with np.errstate(over="ignore"):  # too large for the datatype is infinite, as in bytes
                numbers: NDArray[Any] = np.array(elements, dtype=np.float64).astype(kind)
                return numbers
        if not missing:
            return np.array(elements, dtype=kind)
        present = np.array([0 if v is None else v for v in elements], dtype=kind)
    except OverflowError:
        row = next(i for i, v in enumerate(elements) if v is not None and not _fits(v, kind))
        raise InvalidData(f"{where}, element {row}: is out of the range of {datatype}") from None
    return np.where([v is None for v in elements], np.nan, present)


def _fits(value: float, kind: np.dtype[Any]) -> bool:
    try:
        np.array(value, dtype=np.float64 if kind.kind == "f" else kind)
    except OverflowError:
        return False
    return True


def _texts_from_bytes(content: memoryview, count: int, where: str) -> Coded:
    raw, end, start = bytes(content), len(content), 0
    texts: list[bytes] = []
    while start < end and len(texts) < count:
        begin = start + _PREFIX
        start = begin + int.from_bytes(raw[start:begin], "little")
        texts.append(raw[begin:start])
    if start > end:
        raise InvalidData(f"{where}, element {len(texts) - 1}: ends after the end of the tensor")
    if len(texts) != count or start != end:
        found = "more" if start < end else str(len(texts))
        raise InvalidData(f"{where}: {found} elements where its shape has {count}")
    try:
        return to_codes(texts)
    except UnicodeDecodeError as error:
        row = texts.index(error.object)
        raise InvalidData(f"{where}, element {row}: is not UTF-8") from None


def read_categories(content: memoryview, categories: tuple[str, ...], count: int) -> Coded | None:
    """Return `count` texts if all are categories, or None otherwise."""
    return _categories(categories).read(bytes(content), count) if count >= _MIN_TEXTS else None


class _Categories:
    """Categories as bytes of a tensor: the length in four bytes, little-endian, and the text.

    The three zero bytes in the length of a short text mark its start, and the sum of its bytes
    selects the category. The guess is verified: the selected categories are written again and
    compared with the content.
    """

    def __init__(self, categories: Sequence[str]) -> None:
        texts = [category.encode() for category in categories]
        self._values = tuple(categories)
        self._written = [len(text).to_bytes(_PREFIX, "little") + text for text in texts]
        sums = [*map(sum, self._written)]
        self._by_sum = np.zeros(max(sums) + 1, dtype=np.int32)
        self._by_sum[sums] = np.arange(len(sums))

    def read(self, content: bytes, count: int) -> Coded | None:
        elements = np.frombuffer(content, dtype=np.uint8)
        zero = elements == 0
        starts = np.flatnonzero(zero[1:-2] & zero[2:-1] & zero[3:])
        if len(starts) != count:
            return None
        sums = np.add.reduceat(elements, starts, dtype=np.int32)
        codes = self._by_sum.take(sums, mode="clip")
        written = b"".join(map(self._written.__getitem__, codes.tolist()))
        return Coded(codes, self._values) if written == content else None


@lru_cache(_MAX_CACHED)
def _categories(categories: tuple[str, ...]) -> _Categories:
    return _Categories(categories)
