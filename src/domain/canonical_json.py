"""Canonical JSON: equal values give equal bytes."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from domain.errors import Misconfigured


def json_bytes(value: object) -> bytes:
    """Return indented JSON that ends in a newline; equal values give equal bytes."""
    text = json.dumps(json_value(value), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def json_value(value: Any) -> Any:
    """Return the JSON value of nested dataclasses, mappings, sequences and arrays.

    A dataclass becomes what its `to_mapping` returns, or else a dictionary of its fields in order;
    a numpy array becomes a list.
    """
    if hasattr(value, "to_mapping"):
        return json_value(value.to_mapping())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.value if isinstance(value, Enum) else value


def from_json_value(form: Any, value: Any, where: str) -> Any:
    """Return the object of type `form` for a JSON value: the inverse of `json_value`.

    `form` is made of dataclasses, `tuple[X, ...]`, `Mapping[str, X]` and scalars. A float may be
    written as an integer, but not as true or false.

    Raises:
        Misconfigured: a key is missing or unknown, or a value has another type; names the key.
    """
    kind, arguments = get_origin(form), get_args(form)
    if isinstance(form, type) and is_dataclass(form):
        hints = get_type_hints(form)
        of_key = {field.name: hints[field.name] for field in fields(form)}
        _check_keys(of_key, _require(value, dict, where), where)
        values = {k: from_json_value(of_key[k], v, f"{where}: {k}") for k, v in value.items()}
        return form(**values)
    if kind is tuple:
        return tuple(from_json_value(arguments[0], v, where) for v in _require(value, list, where))
    if kind is Mapping:
        table = _require(value, dict, where).items()
        return {key: from_json_value(arguments[1], v, f"{where}: {key}") for key, v in table}
    if form is float and type(value) is int and abs(value) < _LARGEST:
        return float(value)
    return _require(value, form, where)


# Larger integers may overflow float64.
_LARGEST = 10**308

_NAMES = {dict: "a table", list: "a list", float: "a number", int: "an integer", str: "text"}


def _require(value: Any, form: Any, where: str) -> Any:
    if type(value) is not form:
        raise Misconfigured(f"{where}: expected {_NAMES.get(form, form)}")
    return value


def _check_keys(known: Mapping[str, Any], found: Mapping[str, Any], where: str) -> None:
    missing, unknown = sorted({*known} - {*found}), sorted({*found} - {*known})
    if missing:
        raise Misconfigured(f"{where}: {missing[0]}: is missing")
    if unknown:
        raise Misconfigured(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(known)}")
