"""Reads rows of JSON fast; accepts all of them or none.

It accepts a subset of what `Schema.encode_records` accepts and gives the same rows; the ordinary
route decides on the rest. Few rows are read by a validator compiled from the schema, many by a
`ColumnReader`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from operator import itemgetter
from typing import Any, TypeAlias

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema, from_json

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.adaptive_batching import Rows
from entrypoints.http.fast_path.column_reader import ColumnReader

# A longer body, some forty rows, is read faster column by column.
MANY_BYTES = 8_192

_Record: TypeAlias = dict[str, Any]
_Values: TypeAlias = Callable[[_Record], tuple[Any, ...]]

_OPTIONS = {
    "interval": core_schema.typed_dict_field(
        core_schema.float_schema(strict=True, allow_inf_nan=False), required=False
    ),
    "extrapolates": core_schema.typed_dict_field(
        core_schema.bool_schema(strict=True), required=False
    ),
}


class RowReader:
    """Reads `{"data": [{…}, …]}` and the options for one schema; `columns` reads tables."""

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
        body = core_schema.typed_dict_schema({"data": rows, **_OPTIONS}, extra_behavior="forbid")
        self._validate = SchemaValidator(body).validate_json
        self._names = schema.names
        self._known = {*schema.names}
        self._values = _taker(schema.names)
        self._integers = [
            position
            for position, feature in enumerate(schema.features)
            if feature.kind is Kind.INTEGER
        ]
        self.columns = ColumnReader(schema)

    def read(self, body: bytes) -> tuple[Rows, PredictionOptions] | None:
        """Return rows and options, or None where the ordinary route has to decide."""
        many = len(body) > MANY_BYTES
        request = _parse(body) if many else self._validated(body)
        if request is None:
            return None
        records = request["data"]
        # Each name is followed by a colon. If there are more colons than names, a text holds one or
        # an object has a name twice.
        named = sum(map(len, records))
        if body.count(b":") != len(request) + named:
            return None
        values = self._values if named == len(records) * len(self._names) else self._values_of_some
        rows = self._of_many(records, values) if many else self._of_few(records, values)
        if rows is None:
            return None
        if len(request) == 1:
            return rows, PLAIN
        return rows, PredictionOptions(request.get("interval"), request.get("extrapolates", False))

    def _validated(self, body: bytes) -> dict[str, Any] | None:
        try:
            request: dict[str, Any] = self._validate(body)
        except ValidationError:
            return None
        return request

    def _values_of_some(self, record: _Record) -> tuple[Any, ...]:
        if not record.keys() <= self._known:
            raise KeyError
        return tuple(record.get(name) for name in self._names)

    def _of_few(self, records: Sequence[_Record], values: _Values) -> Rows | None:
        """Return valid rows, or None if an integer is not whole.

        The validator accepts 1e-270 as a multiple of one.
        """
        rows = [*map(values, records)]
        found = (row[position] for row in rows for position in self._integers)
        whole = all(value is None or float(value).is_integer() for value in found)
        return rows if whole else None

    def _of_many(self, records: Sequence[_Record], values: _Values) -> Rows | None:
        try:
            rows = [*map(values, records)]
        except KeyError:
            return None
        return self.columns.read(zip(*rows, strict=True))


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return a body if it has the form of a request for at least one row, else None."""
    try:
        request = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(request, dict) or not request.keys() <= {"data", *_OPTIONS}:
        return None
    records = request.get("data")
    if not isinstance(records, list) or {*map(type, records)} != {dict}:
        return None
    if len(request) > 1 and not _are_options(request):
        return None
    return request


def _are_options(request: Mapping[str, Any]) -> bool:
    interval = request.get("interval", 0.0)
    return (
        type(interval) in (int, float)
        and -inf < interval < inf
        and type(request.get("extrapolates", False)) is bool
    )


def _taker(names: Sequence[str]) -> _Values:
    """Return a function from a record to the values of some names, always a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda record: tuple(record[name] for name in names)


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
