"""The quick way to read rows: a validator compiled from the schema, that says only yes or no.

It accepts what `Schema.encode_records` accepts and gives the same vectors; what it does not
accept is read again the thorough way, which finds the words for what is wrong.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from domain.feature import Feature, Kind
from domain.prediction import PLAIN, Extras
from domain.schema import Schema

# The numbers of each row, in order of the features: None, of which numpy makes NaN, is missing.
Rows: TypeAlias = Sequence[Sequence[float | None]]

# Rows beyond which numpy is faster at looking at each value.
_MANY = 8

_EXTRAS = {
    "interval": core_schema.typed_dict_field(
        core_schema.float_schema(strict=True, allow_inf_nan=False), required=False
    ),
    "extrapolates": core_schema.typed_dict_field(
        core_schema.bool_schema(strict=True), required=False
    ),
}


class RowReader:
    """Reads `{"data": [{…}, …]}` for one schema, with what else may be asked for."""

    def __init__(self, schema: Schema) -> None:
        row = core_schema.typed_dict_schema(
            {
                feature.name: core_schema.typed_dict_field(
                    _value(feature), required=not feature.nullable
                )
                for feature in schema.features
            },
            extra_behavior="forbid",
        )
        rows = core_schema.typed_dict_field(core_schema.list_schema(row))
        body = core_schema.typed_dict_schema({"data": rows, **_EXTRAS}, extra_behavior="forbid")
        self._validate = SchemaValidator(body).validate_json
        self._names = schema.names
        self._values = _taker(schema.names)
        self._integers = [
            position
            for position, feature in enumerate(schema.features)
            if feature.kind is Kind.INTEGER
        ]
        self._integers_of = _taker(self._integers)

    def read(self, body: bytes) -> tuple[Rows, Extras] | None:
        """Return the rows, or None where the thorough way has to decide."""
        try:
            question = self._validate(body)
        except ValidationError:
            return None
        records = question["data"]
        # Each name is followed by a colon. More colons than names: a text holds one, or an object
        # has a name twice.
        named = sum(map(len, records))
        if body.count(b":") != len(question) + named:
            return None
        whole = named == len(records) * len(self._names)
        rows = [*map(self._values if whole else self._values_of_some, records)]
        if not self._are_whole(rows):
            return None
        if len(question) == 1:
            return rows, PLAIN
        return rows, Extras(question.get("interval"), question.get("extrapolates", False))

    def _values_of_some(self, record: dict[str, Any]) -> tuple[float | None, ...]:
        return tuple(record.get(name) for name in self._names)

    def _are_whole(self, rows: Rows) -> bool:
        """Whether integers are integers; the validator would take 1e-270 for a multiple of one."""
        if len(rows) <= _MANY:
            found = (row[position] for row in rows for position in self._integers)
            return all(value is None or float(value).is_integer() for value in found)
        integers = np.array([*map(self._integers_of, rows)], dtype=np.float64)
        return bool(((np.floor(integers) == integers) | np.isnan(integers)).all())


def _taker(keys: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes the items of some keys, always as a tuple."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda item: tuple(item[key] for key in keys)


def _value(feature: Feature) -> CoreSchema:
    schema: CoreSchema
    if feature.kind is Kind.CATEGORY:
        codes = {value: float(code) for code, value in enumerate(feature.categories)}
        schema = core_schema.no_info_after_validator_function(
            codes.__getitem__, core_schema.literal_schema([*feature.categories])
        )
    elif feature.kind is Kind.BOOLEAN:
        schema = core_schema.bool_schema(strict=True)
    else:
        schema = core_schema.float_schema(
            strict=True,
            allow_inf_nan=False,
            ge=feature.low,
            le=feature.high,
        )
    return core_schema.nullable_schema(schema) if feature.nullable else schema
