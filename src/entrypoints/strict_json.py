"""JSON that somebody sent: read strictly, and refused without repeating any of it."""

import json
from typing import Any

from pydantic_core import from_json

from domain.errors import InvalidData, InvalidRows, UnreadableData, Violation

_NESTED = {dict, list}

# Stands where an object has a name twice.
_TWICE = object()


def read_json(content: bytes, where: str, *, nan: bool = False) -> Any:
    """Return the value of a JSON text; `where` names the text in messages.

    With `nan` the words NaN and Infinity are numbers, as many a writer of JSON has it.

    Raises:
        UnreadableData: it is not JSON; says where.
        InvalidData: an object has a name twice, so that it is open which value is meant.
    """
    try:
        value = from_json(content, allow_inf_nan=nan)
    except ValueError as error:
        raise UnreadableData(f"{where} is not JSON: {error}") from None
    # Each name of an object is followed by a colon: as many colons as names leave none for a
    # name that stands there twice. A text may hold colons too, so that more need a closer look.
    colons = content.count(b":")
    if colons != _names(value) and colons != _all_names(value):
        _require_names_once(content, where)
    return value


def _names(value: object) -> int:
    """Return how many names an object has, with those of the objects in its lists."""
    if isinstance(value, list):
        return sum(len(item) for item in value if isinstance(item, dict))
    if not isinstance(value, dict):
        return 0
    return len(value) + sum(_names(item) for item in value.values() if isinstance(item, list))


def _all_names(value: object) -> int:
    """Return how many names an object has, with those of all objects in it."""
    if isinstance(value, dict):
        return len(value) + sum([_all_names(v) for v in value.values() if type(v) in _NESTED])
    if isinstance(value, list):
        return sum([_all_names(item) for item in value if type(item) in _NESTED])
    return 0


def _require_names_once(content: bytes, where: str) -> None:
    met_twice = False

    def mark(pairs: list[tuple[str, Any]]) -> Any:
        nonlocal met_twice
        names = dict(pairs)
        if len(names) == len(pairs):
            return names
        met_twice = True
        return _TWICE

    marked = json.loads(content, object_pairs_hook=mark, parse_int=float)
    if not met_twice:
        return
    rows = marked.get("data") if isinstance(marked, dict) else marked
    if isinstance(rows, list) and _TWICE in rows:
        found = [row for row, item in enumerate(rows) if item is _TWICE]
        raise InvalidRows([Violation(r, "", "has a field twice", "each field once") for r in found])
    raise InvalidData(f"{where} has an object with a field twice; allowed: each field once")
