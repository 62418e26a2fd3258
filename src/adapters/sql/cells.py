"""Cells as a database driver returns them: their fingerprint, and conversion to columns."""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from math import inf, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Kind
from domain.data.table import Coded, Column, Kept
from domain.data.value_type import ValueType, type_of

_NUMERIC = frozenset({float, int, bool, Decimal, type(None)})
_NUMBERS = frozenset({float, int, Decimal})
_EXACT = 2**53
_INT64 = 2**63
_CELL = np.dtype([("tag", "u1"), ("value", "<f8")])
_MISSING, _NUMBER, _TEXT, _HUGE, _BYTES = range(5)
_CODED_VALUES = 256


class Fingerprint:
    """SHA-256 of the cells of a column; it does not depend on how updates divide them."""

    def __init__(self) -> None:
        self._hash = sha256()

    def update(self, cells: bytes) -> None:
        """Append cells in the form of `canonical`."""
        self._hash.update(cells)

    @property
    def hex(self) -> str:
        """The digest in hexadecimal."""
        return self._hash.hexdigest()

    @property
    def short(self) -> int:
        """The first 64 bits of the digest, which identify a chunk."""
        return int.from_bytes(self._hash.digest()[:8], "big")


def canonical(cells: Sequence[Any]) -> bytes:
    """Return bytes that are equal exactly for equal cells.

    Values of different types are equal if they mean the same: 1, 1.0 and true; NULL and NaN; a
    date and its ISO 8601 text; a float and the decimal with the digits that identify it.
    """
    types = set(map(type, cells))
    if types <= _NUMERIC and (Decimal not in types or all(map(_is_float, cells))):
        values = np.array(cells, dtype=np.float64)
        if not np.any(np.abs(values) >= _EXACT):
            return _canonical_numbers(values)
    encoded = {cell: _canonical_cell(cell) for cell in set(cells)}
    return b"".join(map(encoded.__getitem__, cells))


def _canonical_numbers(values: np.ndarray[Any, np.dtype[np.float64]]) -> bytes:
    missing = np.isnan(values)
    pairs = np.zeros(len(values), dtype=_CELL)
    pairs["tag"] = np.where(missing, _MISSING, _NUMBER)
    pairs["value"] = np.where(missing, 0.0, values + 0.0)
    return pairs.tobytes()


def _canonical_cell(cell: Any) -> bytes:
    if type(cell) in _NUMERIC:
        number = float("nan") if cell is None else _float(cell)
        if isnan(number) or (_is_float(cell) and not _EXACT <= abs(cell) < inf):
            return _canonical_numbers(np.array([number]))
        return _tagged(_HUGE, _digits(cell).encode())
    if isinstance(cell, bytes | memoryview):
        return _tagged(_BYTES, bytes(cell))
    return _tagged(_TEXT, as_text(cell).encode("utf-8", "surrogatepass"))


def _is_float(number: Any) -> bool:
    """Whether a number is no decimal, or one with the digits that identify a float."""
    return type(number) is not Decimal or number == Decimal(repr(float(number)))


def _digits(number: Any) -> str:
    """Return all digits of a number: the same for equal numbers of any type."""
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tagged(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + len(content).to_bytes(8, "big") + content


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def as_text(cell: Any) -> str:
    """Return a cell as text: dates in ISO 8601, bytes in hexadecimal."""
    return bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell)


def value_type(cells: Sequence[Any], *, boolean: bool) -> ValueType:
    """Return the type of the cells of a column that is kept."""
    return type_of(_booleans(cells, frozenset(map(type, cells)))[0] if boolean else cells)


def as_column(cells: Sequence[Any], kind: Kind | None, *, boolean: bool) -> Column:
    """Return a column as `DataSource.read` specifies.

    `boolean`: the database declares the column as boolean; drivers may return 0 and 1.
    """
    types = frozenset(map(type, cells))
    if boolean or kind is Kind.BOOLEAN:
        cells, types = _booleans(cells, types)
    match kind:
        case Kind.NUMBER | Kind.INTEGER:
            return _numbers(cells, types)
        case Kind.CATEGORY:
            return _categories(cells)
        case Kind.BOOLEAN:
            return np.array(cells, dtype=bool) if types == {bool} else _objects(cells)
        case None:
            return Kept(type_of(cells), _unchanged(cells, types))


def _booleans(
    cells: Sequence[Any], types: frozenset[type]
) -> tuple[Sequence[Any], frozenset[type]]:
    if types <= {int, bool, type(None)} and {*cells} <= {0, 1, None}:
        cells = [None if cell is None else bool(cell) for cell in cells]
        types = frozenset(map(type, cells))
    return cells, types


def _numbers(cells: Sequence[Any], types: frozenset[type]) -> NDArray[Any]:
    if not types <= _NUMBERS | {type(None)}:
        return _objects(cells)
    if types == {int} and min(cells) >= -_INT64 and max(cells) < _INT64:
        return np.array(cells, dtype=np.int64)
    try:
        return np.array(cells, dtype=np.float64)
    except OverflowError:
        return np.array([np.nan if c is None else _float(c) for c in cells], dtype=np.float64)


def _categories(cells: Sequence[Any]) -> Column:
    texts = [None if cell is None else as_text(cell) for cell in cells]
    values = sorted({text for text in texts if text is not None})
    if len(values) > _CODED_VALUES:
        return _objects(texts)
    codes: dict[str | None, int] = {value: code for code, value in enumerate(values)}
    codes[None] = -1
    positions = np.fromiter(map(codes.__getitem__, texts), dtype=np.int32, count=len(texts))
    return Coded(positions, tuple(values))


def _unchanged(cells: Sequence[Any], types: frozenset[type]) -> NDArray[Any]:
    if types == {float}:
        return np.array(cells, dtype=np.float64)
    if types == {int}:
        return _numbers(cells, types)
    return np.array(cells, dtype=bool) if types == {bool} else _objects(cells, exact=True)


def _objects(cells: Sequence[Any], *, exact: bool = False) -> NDArray[Any]:
    """Return cells as Python objects; decimals are floats unless `exact`."""
    column = np.empty(len(cells), dtype=object)
    column[:] = [cell if exact and isinstance(cell, Decimal) else _plain(cell) for cell in cells]
    return column


def _plain(cell: Any) -> float | str | bool | None:
    if cell is None or isinstance(cell, str | bool | int | float):
        return cell
    return _float(cell) if isinstance(cell, Decimal) else as_text(cell)
