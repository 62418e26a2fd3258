"""The quick way to read rows, that says only yes or no.

It accepts what `Schema.encode_records` accepts and gives the same vectors; what it does not
accept is read again the thorough way, which finds the words for what is wrong. Few rows are read
by a validator compiled from the schema, many by a `ColumnReader`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from operator import itemgetter
from typing import Any, TypeAlias

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema, from_json

from domain.data.feature import Feature, Kind
from domain.data.schema import Matrix, Schema
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.fast_path.column_reader import ColumnReader

# The numbers of each row, in order of the features: None, of which numpy makes NaN, is missing.
Rows: TypeAlias = Sequence[Sequence[float | None]] | Matrix

# A longer body than this, some forty rows, is read in less time a column at a time.
MANY_BYTES = 8_192

_Record: TypeAlias = dict[str, Any]
_Values: TypeAlias = Callable[[_Record], tuple[Any, ...]]

_EXTRAS = {
    "interval": core_schema.typed_dict_field(
        core_schema.float_schema(strict=True, allow_inf_nan=False), required=False
    ),
    "extrapolates": core_schema.typed_dict_field(
        core_schema.bool_schema(strict=True), required=False
    ),
}


class RowReader:
    """Reads `{"data": [{…}, …]}` for one schema, with what else may be asked for.

    `columns` reads the rows of a table.
    """

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
        self._known = {*schema.names}
        self._values = _taker(schema.names)
        self._integers = [
            position
            for position, feature in enumerate(schema.features)
            if feature.kind is Kind.INTEGER
        ]
        self.columns = ColumnReader(schema)

    def read(self, body: bytes) -> tuple[Rows, PredictionOptions] | None:
        """Return the rows, or None where the thorough way has to decide."""
        many = len(body) > MANY_BYTES
        question = _question(body) if many else self._valid(body)
        if question is None:
            return None
        records = question["data"]
        # Each name is followed by a colon. More colons than names: a text holds one, or an object
        # has a name twice.
        named = sum(map(len, records))
        if body.count(b":") != len(question) + named:
            return None
        values = self._values if named == len(records) * len(self._names) else self._values_of_some
        rows = self._of_many(records, values) if many else self._of_few(records, values)
        if rows is None:
            return None
        if len(question) == 1:
            return rows, PLAIN
        return rows, PredictionOptions(
            question.get("interval"), question.get("extrapolates", False)
        )

    def _valid(self, body: bytes) -> dict[str, Any] | None:
        try:
            question: dict[str, Any] = self._validate(body)
        except ValidationError:
            return None
        return question

    def _values_of_some(self, record: _Record) -> tuple[Any, ...]:
        if not record.keys() <= self._known:
            raise KeyError
        return tuple(record.get(name) for name in self._names)

    def _of_few(self, records: Sequence[_Record], values: _Values) -> Rows | None:
        """Return rows that are valid, unless one of their integers is none.

        The validator would take 1e-270 for a multiple of one.
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


def _question(body: bytes) -> dict[str, Any] | None:
    """Return a body of the form of a question with some objects as its rows, else None."""
    try:
        question = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(question, dict) or not question.keys() <= {"data", *_EXTRAS}:
        return None
    records = question.get("data")
    if not isinstance(records, list) or {*map(type, records)} != {dict}:
        return None
    if len(question) > 1 and not _are_extras(question):
        return None
    return question


def _are_extras(question: Mapping[str, Any]) -> bool:
    interval = question.get("interval", 0.0)
    return (
        type(interval) in (int, float)
        and -inf < interval < inf
        and type(question.get("extrapolates", False)) is bool
    )


def _taker(names: Sequence[str]) -> _Values:
    """Return what takes the values of some names, always as a tuple."""
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
