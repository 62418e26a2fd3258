"""The quick way to read rows: a validator compiled from the schema, that says only yes or no.

It accepts what `Schema.encode_records` accepts and gives the same vectors; what it does not
accept is read again the thorough way, which finds the words for what is wrong.
"""

from collections.abc import Callable
from math import isnan
from operator import itemgetter
from typing import Any, TypeAlias

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from domain.feature import MISSING, Feature, Kind
from domain.prediction import PLAIN, Extras
from domain.schema import Schema

Rows: TypeAlias = list[list[float]]

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
        self._values: Callable[[Any], Any] = itemgetter(*schema.names)
        self._codes = [
            (position, {value: float(code) for code, value in enumerate(feature.categories)})
            for position, feature in enumerate(schema.features)
            if feature.categories
        ]
        self._integers = [
            position
            for position, feature in enumerate(schema.features)
            if feature.kind is Kind.INTEGER
        ]
        self._simple = len(schema.names) > 1

    def read(self, body: bytes) -> tuple[Rows, Extras] | None:
        """Return the vectors of the rows, or None where the thorough way has to decide."""
        try:
            question = self._validate(body)
        except ValidationError:
            return None
        records = question["data"]
        # Each name is followed by a colon. More colons than names: a text holds one, or an object
        # has a name twice.
        if body.count(b":") != len(question) + sum(map(len, records)):
            return None
        vectors = [self._vector(record) for record in records]
        if not all(map(self._is_whole, vectors)):
            return None
        if len(question) == 1:
            return vectors, PLAIN
        return vectors, Extras(question.get("interval"), question.get("extrapolates", False))

    def _is_whole(self, vector: list[float]) -> bool:
        """Whether integers are integers; the validator would take 1e-270 for a multiple of one."""
        return all(
            vector[position].is_integer() or isnan(vector[position]) for position in self._integers
        )

    def _vector(self, record: dict[str, Any]) -> list[float]:
        if self._simple and len(record) == len(self._names):
            vector = [*self._values(record)]
        else:
            vector = [record.get(name) for name in self._names]
        for position, codes in self._codes:
            vector[position] = codes.get(vector[position], MISSING)
        return [MISSING if value is None else value for value in vector]


def _value(feature: Feature) -> CoreSchema:
    schema: CoreSchema
    if feature.kind is Kind.CATEGORY:
        schema = core_schema.literal_schema([*feature.categories])
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
