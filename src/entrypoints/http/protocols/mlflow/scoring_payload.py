"""The rows in a body of MLflow's scoring protocol: four forms in JSON, and CSV.

Columns that are not features are ignored, as MLflow does, so that a whole table may be sent, target
included. Rows that are lists without names are in the order of the schema. A missing value is null
or NaN in JSON, and an empty cell in CSV.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from itertools import chain
from typing import Annotated, Any, TypeAlias

from pydantic import Field, WithJsonSchema

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.data.table import Column, Table
from domain.errors import InvalidData, UnreadableData
from entrypoints.http.protocols.json_columns import require_features, to_column, to_table
from entrypoints.http.request_body import RequestModel, validated
from entrypoints.strict_json import read_json

# Checks the number of rows before they are read.
Admit: TypeAlias = Callable[[int], None]

_BLANKS = " \t"
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity))")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

_SCALAR = {"type": ["number", "string", "boolean", "null"]}
_LIST = {"type": "array", "items": _SCALAR}
_ROWS = {"type": "array", "items": {"anyOf": [{"type": "object"}, _LIST]}}
_BY_COLUMN = {"type": "object", "additionalProperties": _LIST}

_Object: TypeAlias = Annotated[Any, WithJsonSchema({"type": "object"})]
_Cells: TypeAlias = Annotated[Any, WithJsonSchema(_LIST)]
_Rows: TypeAlias = Annotated[list[Any], WithJsonSchema(_ROWS)]
_Inputs: TypeAlias = Annotated[Any, WithJsonSchema({"anyOf": [_BY_COLUMN, _ROWS]})]


class DataframeSplit(RequestModel):
    """Rows as lists, and the names of their columns."""

    columns: list[Annotated[Any, WithJsonSchema({"type": "string"})]] | None = None
    data: list[_Cells]
    index: _Cells = None


class MlflowForm(RequestModel):
    """Rows in a form of MLflow. Columns that are not features are ignored."""

    params: dict[str, Any] | None = Field(default=None, description="Ignored.")


class MlflowDataframeSplit(MlflowForm):
    """Rows as lists, with the names of the columns."""

    dataframe_split: DataframeSplit


class MlflowDataframeRecords(MlflowForm):
    """Rows as objects."""

    dataframe_records: list[_Object]


class MlflowInstances(MlflowForm):
    """Rows as objects, or as lists in the order of the schema."""

    instances: _Rows


class MlflowInputs(MlflowForm):
    """Lists of values by column, or as `instances`."""

    inputs: _Inputs


FORMS: Mapping[str, type[MlflowForm]] = {
    "dataframe_split": MlflowDataframeSplit,
    "dataframe_records": MlflowDataframeRecords,
    "instances": MlflowInstances,
    "inputs": MlflowInputs,
}
_ALLOWED = f"allowed: an object with one of {', '.join(FORMS)}"


def read_json_rows(content: bytes, schema: Schema, admit: Admit) -> Table:
    """Return the rows of a JSON body.

    Raises:
        UnreadableData: it is not JSON; names the position.
        InvalidData: it has none of the forms, or lacks a feature; names it.
        TooLarge: there are too many rows.
    """
    body = read_json(content, "the body", nan=True)
    if not isinstance(body, dict):
        raise InvalidData(f"the body: is not an object; {_ALLOWED}")
    given = [form for form in FORMS if body.get(form) is not None]
    if len(given) != 1:
        raise InvalidData(f"the body has {len(given)} of the fields that hold rows; {_ALLOWED}")
    form = given[0]
    fields = {name: value for name, value in body.items() if name == form or name not in FORMS}
    value = getattr(validated(FORMS[form], fields, _ALLOWED), form)
    if form == "dataframe_split":
        return _split(value, schema, admit)
    if form != "dataframe_records" and isinstance(value, dict):
        return _columns(value, form, schema, admit)
    rows = _list(value, form)
    admit(len(rows))
    if all(isinstance(row, dict) for row in rows):
        return _records(rows, schema)
    if form != "dataframe_records" and all(isinstance(row, list) for row in rows):
        return _matrix(rows, schema.names, form, schema)
    lists = "" if form == "dataframe_records" else ", or all lists"
    raise InvalidData(f"{form}: allowed: items that are all objects{lists}")


def read_csv_rows(content: bytes, schema: Schema, admit: Admit) -> Table:
    """Return the rows of a CSV body with a header.

    Raises:
        UnreadableData: it is not UTF-8, or not CSV; names the position.
        InvalidData: the header names a column twice or lacks a feature.
        TooLarge: there are too many rows.
    """
    header, *rows = _cells(content)
    _require_once(header, "the header")
    admit(len(rows))
    positions = {name: position for position, name in enumerate(header)}
    require_features(positions, schema)
    columns = {
        f.name: to_column([_value(row[positions[f.name]], f) for row in rows])
        for f in schema.features
        if f.name in positions
    }
    return to_table(columns, schema, len(rows))


def _split(split: DataframeSplit, schema: Schema, admit: Admit) -> Table:
    where = "dataframe_split"
    admit(len(split.data))
    if split.columns is None:
        return _matrix(split.data, schema.names, f"{where}.data", schema)
    names = [name if isinstance(name, str) else "" for name in split.columns]
    _require_once([name for name in names if name], f"{where}.columns")
    return _matrix(split.data, names, f"{where}.data", schema)


def _matrix(rows: Sequence[Any], names: Sequence[str], where: str, schema: Schema) -> Table:
    require_features(names, schema)
    width = len(names)
    for position, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise InvalidData(f"{where}[{position}]: is not a list of {width} values, one a column")
    cells = list(chain.from_iterable(rows))
    columns = {
        name: to_column(cells[position::width])
        for position, name in enumerate(names)
        if name in schema.names
    }
    return to_table(columns, schema, len(rows))


def _records(rows: Sequence[Mapping[str, Any]], schema: Schema) -> Table:
    columns = {name: to_column([row.get(name) for row in rows]) for name in schema.names}
    return Table(columns, len(rows))


def _columns(value: Mapping[str, Any], form: str, schema: Schema, admit: Admit) -> Table:
    """Return lists by column, or one row of values by column."""
    require_features(value, schema)
    given = {name: value[name] for name in schema.names if name in value}
    if not any(isinstance(cells, list) for cells in given.values()):
        given = {name: [cell] for name, cell in given.items()}
    rows = len(_list(next(iter(given.values()), []), f"{form}: a column"))
    admit(rows)
    columns: dict[str, Column] = {}
    for name, cells in given.items():
        if not isinstance(cells, list) or len(cells) != rows:
            raise InvalidData(f"{form}, {name!r}: is not a list of {rows} values as the first is")
        columns[name] = to_column(cells)
    return to_table(columns, schema, rows)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidData(f"{where}: is not a list")
    return value


def _require_once(names: Sequence[str], where: str) -> None:
    if len(set(names)) != len(names):
        raise InvalidData(f"{where} names a column twice; allowed: each column once")


def _cells(content: bytes) -> list[list[str]]:
    """Return the header and the rows, all of one length; empty lines are skipped."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableData(f"the body is not UTF-8: at byte {error.start}") from None
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if rows and row and len(row) != len(rows[0]):
                raise UnreadableData(
                    f"the body, line {reader.line_num}: {len(row)} cells where the header has "
                    f"{len(rows[0])}"
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        raise UnreadableData(f"the body, line {reader.line_num}: is not CSV: {error}") from None
    if not rows:
        raise UnreadableData("the body is empty; allowed: a header and rows")
    return rows


def _value(cell: str, feature: Feature) -> float | bool | str | None:
    """Return the value of a cell; the cell itself if it has no value of the feature's kind."""
    if not cell:
        return None
    if feature.kind is Kind.CATEGORY:
        return cell
    text = cell.strip(_BLANKS)
    if feature.kind is Kind.BOOLEAN:
        return _BOOLEANS.get(text.lower(), cell) if text else None
    if not text:
        return None
    return float(text) if _NUMBER.fullmatch(text) else cell
