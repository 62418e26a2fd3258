"""JSON with one way to write each value."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def json_bytes(value: object) -> bytes:
    """Return readable JSON, ending in a newline, always the same bytes for the same value."""
    text = json.dumps(json_value(value), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def json_value(value: Any) -> Any:
    """Return the JSON value of nested dataclasses, mappings and sequences.

    A dataclass becomes a dictionary of its fields, in their order.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    return value.value if isinstance(value, Enum) else value
