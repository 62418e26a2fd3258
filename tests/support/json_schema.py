"""Validation by JSON Schema, for the keywords that describe a row."""

from collections.abc import Mapping
from typing import Any


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Return whether a value fits; an unknown keyword is an error.

    References are looked up in `$defs` of the schema.
    """
    return _fits(value, schema, schema.get("$defs", {}))


def resolved(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a component of an OpenAPI document, with all components as its `$defs`."""
    schemas = document["components"]["schemas"]
    return {**schemas[name], "$defs": schemas}


def _fits(value: object, schema: Mapping[str, Any], defined: Mapping[str, Any]) -> bool:
    return all(_holds(word, value, schema, defined) for word in schema)


def _holds(word: str, value: object, schema: Mapping[str, Any], defined: Mapping[str, Any]) -> bool:
    wanted = schema[word]
    match word:
        case "title" | "description" | "default" | "example" | "examples" | "$defs":
            return True
        case "$ref":
            return _fits(value, defined[wanted.rpartition("/")[2]], defined)
        case "anyOf":
            return any(_fits(value, each, defined) for each in wanted)
        case "const":
            return bool(value == wanted)
        case "minItems":
            return not isinstance(value, list) or len(value) >= wanted
        case "maxItems":
            return not isinstance(value, list) or len(value) <= wanted
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
                _fits(value[name], each, defined) for name, each in wanted.items() if name in value
            )
        case "additionalProperties":
            others = (
                {*value} - {*schema.get("properties", {})} if isinstance(value, dict) else {None}
            )
            if wanted is False or not isinstance(value, dict):
                return not others
            return wanted is True or all(_fits(value[name], wanted, defined) for name in others)
        case "items":
            return isinstance(value, list) and all(_fits(each, wanted, defined) for each in value)
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
