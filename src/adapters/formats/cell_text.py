"""Values of any type as text and as JSON, the same in every output."""

import json
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

_MICROSECOND = timedelta(microseconds=1)


def cell_text(value: Any) -> str:
    """Return a value as text.

    Numbers have the fewest digits that give the same number, times and durations are in ISO 8601,
    bytes in hexadecimal, nested values in JSON.
    """
    match value:
        case float():
            return repr(value).removesuffix(".0")
        case Decimal():
            return format(value, "f")
        case date() | time():
            return value.isoformat().replace("+00:00", "Z")
        case bytes() | memoryview():
            return bytes(value).hex()
        case bool() | dict() | list() | tuple():
            return json_text(value)
        case _:
            is_duration = isinstance(value, timedelta)
            return duration_text(value // _MICROSECOND, 6) if is_duration else str(value)


def duration_text(count: int, digits: int) -> str:
    """Return a duration in ISO 8601, such as `-PT1.5S`; `count` is in seconds / 10**`digits`."""
    whole, rest = divmod(abs(count), 10**digits)
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' if count < 0 else ''}PT{whole}{fraction}S"


def json_text(value: Any) -> str:
    """Return a value as JSON; what JSON has no type for is text. A number is as in `cell_text`."""
    if isinstance(value, float) and isfinite(value):
        return cell_text(value)
    return json.dumps(_json(value), ensure_ascii=False)


def _json(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float() if isfinite(value):
            return value
        case float():
            return None if isnan(value) else cell_text(value).replace("inf", "Infinity")
        case Mapping():
            return {cell_text(key): _json(each) for key, each in value.items()}
        case list() | tuple():
            return [_json(each) for each in value]
        case _:
            return cell_text(value)
