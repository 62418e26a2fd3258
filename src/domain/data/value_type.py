"""The types of columns that are copied from a source to an output."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

_EXACT_IN_DOUBLE = 2**53
_INT64 = 2**63


class ValueType(StrEnum):
    """The type of the values of a column, which an output keeps.

    SMALL_INTEGER: exact as a double. INTEGER: of 64 bits. EXACT: decimals, integers of any size.
    TEXT: also times, bytes, nested values and values of several types.
    """

    MISSING = "only missing values"
    BOOLEAN = "boolean"
    SMALL_INTEGER = "integer"
    INTEGER = "integer of 64 bits"
    EXACT = "exact number"
    NUMBER = "number"
    TEXT = "text"


_INTEGERS = (ValueType.SMALL_INTEGER, ValueType.INTEGER, ValueType.EXACT)
_TYPES = {
    type(None): ValueType.MISSING,
    bool: ValueType.BOOLEAN,
    int: ValueType.SMALL_INTEGER,
    float: ValueType.NUMBER,
    Decimal: ValueType.EXACT,
}


def integer_type(smallest: int, largest: int) -> ValueType:
    """Return the type of integers from `smallest` to `largest`."""
    if smallest >= -_EXACT_IN_DOUBLE and largest <= _EXACT_IN_DOUBLE:
        return ValueType.SMALL_INTEGER
    return ValueType.INTEGER if smallest >= -_INT64 and largest < _INT64 else ValueType.EXACT


def type_of(values: Sequence[Any]) -> ValueType:
    """Return the type that holds all of these Python values unchanged; None is missing."""
    types = {*map(type, values)}
    found = {_TYPES.get(each, ValueType.TEXT) for each in types}
    if int in types:
        integers = [value for value in values if type(value) is int]
        found.add(integer_type(min(integers), max(integers)))
    return common_type(found)


def common_type(types: Iterable[ValueType]) -> ValueType:
    """Return the type that holds the values of all of these types unchanged."""
    found = {*types} - {ValueType.MISSING}
    if found <= {*_INTEGERS}:
        return max(found, key=_INTEGERS.index, default=ValueType.MISSING)
    if found <= {ValueType.SMALL_INTEGER, ValueType.NUMBER}:
        return ValueType.NUMBER
    return found.pop() if len(found) == 1 else ValueType.TEXT
