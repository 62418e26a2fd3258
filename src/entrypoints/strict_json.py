"""Strict decoding of a caller's JSON; messages never repeat the content."""

import json
from typing import Any

from pydantic_core import from_json

from domain.errors import InvalidData, InvalidRows, UnreadableData, Violation

_CONTAINERS = {dict, list}

# Replaces an object with a duplicate name.
_DUPLICATE = object()


def read_json(content: bytes, where: str, *, nan: bool = False) -> Any:
    """Return the value of a JSON text; messages call the text `where`.

    With `nan`, NaN and Infinity are numbers, since many programs write them.

    Raises:
        UnreadableData: the text is not JSON; names the position.
        InvalidData: an object has a duplicate name, so that its value is ambiguous.
    """
    try:
        value = from_json(content, allow_inf_nan=nan)
    except ValueError as error:
        raise UnreadableData(f"{where} is not JSON: {error}") from None
    # A colon follows each name. So a duplicate name, or a colon in a string, gives more colons
    # than distinct names; only then the text is parsed again to tell them apart.
    colons = content.count(b":")
    if colons != _count_row_names(value) and colons != _count_names(value):
        _reject_duplicates(content, where)
    return value


def _count_row_names(value: object) -> int:
    """Count the names of an object and of the objects in its lists, but no deeper ones."""
    if isinstance(value, list):
        return sum(len(item) for item in value if isinstance(item, dict))
    if not isinstance(value, dict):
        return 0
    return len(value) + sum(
        _count_row_names(item) for item in value.values() if isinstance(item, list)
    )


def _count_names(value: object) -> int:
    """Count the names of all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum([_count_names(v) for v in value.values() if type(v) in _CONTAINERS])
    if isinstance(value, list):
        return sum([_count_names(item) for item in value if type(item) in _CONTAINERS])
    return 0


def _reject_duplicates(content: bytes, where: str) -> None:
    found = False

    def mark(pairs: list[tuple[str, Any]]) -> Any:
        nonlocal found
        names = dict(pairs)
        if len(names) == len(pairs):
            return names
        found = True
        return _DUPLICATE

    marked = json.loads(content, object_pairs_hook=mark, parse_int=float)
    if not found:
        return
    rows = marked.get("data") if isinstance(marked, dict) else marked
    if isinstance(rows, list) and _DUPLICATE in rows:
        which = [row for row, item in enumerate(rows) if item is _DUPLICATE]
        raise InvalidRows([Violation(r, "", "has a field twice", "each field once") for r in which])
    raise InvalidData(f"{where} has an object with a field twice; allowed: each field once")
