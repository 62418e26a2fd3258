"""Decoding of JSON and TOML into the domain's dataclasses, with errors in one line."""

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from pydantic import GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import no_info_after_validator_function

from domain.errors import InvalidData, Misconfigured

Decoded = TypeVar("Decoded")
Table = TypeVar("Table")
Node = Mapping[str, Any]

_TYPES = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a table of keys and values",
}
_LISTS = {"string": "texts", "integer": "integers", "number": "numbers"}
_UNKNOWN = "unexpected_keyword_argument"
_MISSING: Any = object()


def read_as(table: type[Table], build: Callable[[Table], Any]) -> GetPydanticSchema:
    """Return an annotation for an object that a file holds as a `table`; `build` converts it."""
    return GetPydanticSchema(
        lambda _, handler: no_info_after_validator_function(build, handler(table))
    )


def as_base(kind: type[Table]) -> Callable[[Table], Table]:
    """Return a function that converts an instance of a subclass to a dataclass itself."""
    names = [field.name for field in fields(cast(Any, kind))]
    return lambda decoded: kind(*(getattr(decoded, name) for name in names))


class Decoder(Generic[Decoded]):
    """Decodes documents of one form, strictly: true is not 1, and "1" is not 1.

    `form` is a dataclass or annotated type that yields the decoded object. The validator is built
    at the first use. Messages show no value of a `secret` form.
    """

    def __init__(self, form: Any, *, secret: bool = False) -> None:
        self._form = form
        self._secret = secret

    @cached_property
    def _adapter(self) -> TypeAdapter[Decoded]:
        return TypeAdapter(self._form)

    def json(self, content: bytes, where: str) -> Decoded:
        """Decode a JSON document; `where` names the file in messages.

        Raises:
            Misconfigured: the content is not JSON, a key is missing, unknown or given twice, or a
                value is not allowed; names the key.
        """
        try:
            decoded = self._adapter.validate_json(content, strict=True, extra="forbid")
            json.loads(content, object_pairs_hook=self._require_distinct)
            return decoded
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            if problems[0]["type"] == "json_invalid":
                reason = problems[0]["msg"].removeprefix("Invalid JSON: ")
                raise Misconfigured(f"{where} is not JSON: {reason}") from None
            schema = self._adapter.json_schema()
            reason = _Document(schema, json.loads(content), self._secret).explain(problems)
            raise Misconfigured(f"{where}: {reason}") from None
        except (Misconfigured, InvalidData) as error:
            raise Misconfigured(f"{where}: {error}") from None

    def _require_distinct(self, pairs: list[tuple[str, Any]]) -> None:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                shown = "" if self._secret else f" {key!r}"
                raise Misconfigured(f"the key{shown} is given twice; allowed: each key once")

    def toml(self, text: str, where: str) -> Decoded:
        """Decode a TOML document.

        Raises:
            Misconfigured: as `json` does.
        """
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise Misconfigured(f"{where}: not TOML: {error}") from error
        return self.values(values, where)

    def values(self, values: object, where: str) -> Decoded:
        """Decode nested mappings, lists and scalars.

        Raises:
            Misconfigured: as `json` does.
        """
        # Dates and times have no JSON form. They become an object that no key accepts.
        return self.json(json.dumps(values, default=lambda _: {"value": ""}).encode(), where)


class _Document:
    """A document that does not fit its JSON schema, for messages about it."""

    def __init__(self, schema: Node, content: Any, secret: bool) -> None:
        self._schema = schema
        self._content = content
        self._secret = secret

    def explain(self, problems: Sequence[ErrorDetails]) -> str:
        """Describe the first problem; an unknown key comes first, as it may be misspelt."""
        unknown = [problem for problem in problems if problem["type"] == _UNKNOWN]
        problem = (unknown or problems)[0]
        path, node, value = self._locate(problem["loc"])
        if unknown:
            table = problem["loc"][:-1]
            keys = ", ".join(repr(one["loc"][-1]) for one in unknown if one["loc"][:-1] == table)
            allowed = ", ".join(sorted(node["properties"]))
            text = f"unknown key{'' if self._secret else f' {keys}'}; allowed: {allowed}"
        elif problem["type"] == "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        elif value is _MISSING:
            text = "is missing"
        elif "enum" in node and isinstance(value, str):
            shown = "" if self._secret else f"{value!r} "
            text = f"{shown}is not one of {', '.join(map(repr, node['enum']))}"
        else:
            text = f"expected {self._describe(node)}"
        return ": ".join(filter(None, (".".join(path), text)))

    def _locate(self, location: Sequence[int | str]) -> tuple[list[str], Node, Any]:
        """Return the path of a location, in names where there are any, its schema and its value."""
        path: list[str] = []
        node, value = self._resolve(self._schema), self._content
        for part in location:
            child = self._child(node, part)
            too_short = isinstance(part, int) and part >= len(value)
            if child is None or too_short:  # an unknown key, or one of several types tried
                break
            node = child
            if isinstance(part, int):
                value = value[part]
                shows_names = isinstance(value, Mapping) and not self._secret
                named = value.get("name") if shows_names else None
                path.append(named if named and isinstance(named, str) else str(part + 1))
            else:
                value = value.get(part, _MISSING)
                path.append(part)
        return path, node, value

    def _child(self, node: Node, part: int | str) -> Node | None:
        if isinstance(part, int):
            several = node.get("prefixItems", ())
            child = several[part] if part < len(several) else node.get("items")
        else:
            child = node.get("properties", {}).get(part) or node.get("additionalProperties")
        return self._resolve(child) if isinstance(child, Mapping) else None

    def _resolve(self, node: Node) -> Node:
        if "$ref" in node:
            node = self._schema["$defs"][node["$ref"].rpartition("/")[2]]
        kinds = [kind for kind in node.get("anyOf", ()) if kind.get("type") != "null"]
        return self._resolve(kinds[0]) if len(kinds) == 1 else node

    def _describe(self, node: Node) -> str:
        if "anyOf" in node:
            kinds = [self._describe(kind) for kind in node["anyOf"] if kind.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
        if node["type"] != "array":
            return "a time" if node.get("format") == "date-time" else _TYPES[node["type"]]
        items = node.get("prefixItems") or [node.get("items", {})]
        count = f"{node['maxItems']} " if "maxItems" in node else ""
        return f"a list of {count}{_LISTS.get(self._resolve(items[0]).get('type', ''), 'tables')}"
