"""Parts of an OpenAPI document that the descriptions of all protocols are made of."""

from collections.abc import Iterable
from typing import Any

Described = dict[str, Any]

TEXT: Described = {"type": "string"}
INTEGER: Described = {"type": "integer"}
FLAG: Described = {"type": "boolean"}
CELL: Described = {"type": ["number", "string", "boolean", "null"]}
PLAIN: Described = {"text/plain": {"schema": TEXT}}

_STATUSES = {
    "400": "The body is not what the protocol or the schema asks for; says what and where.",
    "404": "Another model, or another version, answers here.",
    "413": "Too many rows or bytes.",
    "415": "The body is of another content type, or compressed.",
    "503": "No model is ready; says why.",
}


def fields(required: str = "", **properties: Described) -> Described:
    """Return an object of these properties, some of which (named with blanks between) it needs."""
    described: Described = {"type": "object", "properties": properties}
    return {**described, "required": required.split()} if required else described


def many(item: Described, description: str = "") -> Described:
    """Return a list of items."""
    described: Described = {"type": "array", "items": item}
    return {**described, "description": description} if description else described


def as_json(name: str) -> Described:
    """Return a body in JSON, of a type among the components."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def operation(
    tag: str,
    summary: str,
    description: str,
    content: Described,
    *,
    error: str,
    statuses: Iterable[str],
) -> Described:
    """Return an operation that answers `content`, or an error with one of these statuses."""
    errors = {s: {"description": _STATUSES[s], "content": as_json(error)} for s in statuses}
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "responses": {"200": {"description": "Done.", "content": content}, **errors},
    }
