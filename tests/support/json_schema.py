"""Validation by JSON Schema, for the keywords that describe a row."""

from collections.abc import Mapping
from typing import Any


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Return whether a value fits; an unknown keyword is an error."""
    return all(_holds(word, value, schema) for word in schema)


def _holds(word: str, value: object, schema: Mapping[str, Any]) -> bool:
    wanted = schema[word]
    match word:
        case "title" | "description" | "example" | "examples":
            return True
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            return any(_is(value, kind) for kind in kinds)
        case "enum":
            return value in wanted
        case "minimum":
            return not _is(value, "number") or number(value) >= wanted
        case "maximum":
            return not _is(value, "number") or number(value) <= wanted
        case "required":
            return isinstance(value, dict) and all(name in value for name in wanted)
        case "properties":
            return isinstance(value, dict) and all(
                fits(value[name], each) for name, each in wanted.items() if name in value
            )
        case "additionalProperties":
            others = {*value} - {*schema["properties"]} if isinstance(value, dict) else {None}
            if wanted is False or not isinstance(value, dict):
                return not others
            return all(fits(value[name], wanted) for name in others)
        case "items":
            return isinstance(value, list) and all(fits(each, wanted) for each in value)
        case _:
            raise AssertionError(f"unknown keyword {word}")


def _is(value: object, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return _is(value, "number") and number(value).is_integer()
        case _:
            raise AssertionError(f"unknown type {kind}")


def number(value: object) -> float:
    """Return a value, which must be a number."""
    assert isinstance(value, int | float)
    return float(value)
