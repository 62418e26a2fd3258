"""Inputs of the Open Inference Protocol as a table of the schema's features.

Two conventions: one tensor per feature, of shape [rows] or [rows, 1] and named as the feature; or,
where all features are numbers, one tensor `features` of shape [rows, features] in schema order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.data.table import Coded, Column, Table, plain
from domain.errors import InvalidData
from entrypoints.http.protocols.json_columns import needs, to_objects, to_table
from entrypoints.http.protocols.open_inference.infer_request import ALL_FEATURES, Tensor
from entrypoints.http.protocols.open_inference.tensors import BOOL, BYTES, FLOATS, NUMBERS

_NUMERIC = (Kind.NUMBER, Kind.INTEGER)


def datatypes(feature: Feature) -> tuple[str, ...]:
    """Return the datatypes that are accepted for a feature; the first one is in the metadata.

    A missing value is NaN, so a nullable number is a float.
    """
    return _datatypes(feature.kind, feature.nullable)


@cache
def _datatypes(kind: Kind, nullable: bool) -> tuple[str, ...]:
    match kind:
        case Kind.CATEGORY:
            return (BYTES,)
        case Kind.BOOLEAN:
            return (BOOL, *FLOATS) if nullable else (BOOL,)
        case Kind.INTEGER if not nullable:
            return ("INT64", *(name for name in NUMBERS if name != "INT64"))
        case _:
            return ("FP64", *(name for name in NUMBERS if name != "FP64"))


def fits_one_tensor(schema: Schema) -> bool:
    """Whether one tensor of numbers can hold all features."""
    return ALL_FEATURES not in schema.names and all(f.kind in _NUMERIC for f in schema.features)


def read_table(inputs: Sequence[Tensor], schema: Schema, admit: Callable[[int], None]) -> Table:
    """Return the features as columns; `admit` checks the number of rows first.

    Raises:
        InvalidData: a tensor does not fit the schema; names it.
        TooLarge: there are too many rows.
    """
    rows = inputs[0].shape[0] if inputs else 0
    admit(rows)
    for tensor in inputs:
        if tensor.shape[0] != rows:
            raise InvalidData(f"{tensor.where}: has another number of rows than inputs[0]")
    if [tensor.name for tensor in inputs] == [ALL_FEATURES] and fits_one_tensor(schema):
        return _split(inputs[0], schema)
    columns: dict[str, Column] = {}
    features = {feature.name: feature for feature in schema.features}
    for tensor in inputs:
        feature = features.get(tensor.name)
        if feature is None:
            raise InvalidData(f"{tensor.where}: is not a feature; allowed: {_allowed(schema)}")
        if feature.name in columns:
            raise InvalidData(f"{tensor.where}: {feature.name!r} is given twice")
        columns[feature.name] = _column(tensor, feature)
    return to_table(columns, schema, rows)


def _allowed(schema: Schema) -> str:
    together = f", or all of them in {ALL_FEATURES!r}" if fits_one_tensor(schema) else ""
    return needs(schema) + together


def _column(tensor: Tensor, feature: Feature) -> Column:
    where = f"{tensor.where} {feature.name!r}"
    if tensor.shape[1:] not in ((), (1,)):
        raise InvalidData(f"{where}: shape: allowed: [rows] or [rows, 1]")
    _require_datatype(tensor, datatypes(feature), where)
    column = tensor.column(where, feature.categories)
    if isinstance(column, Coded):
        return _without_empty(column) if _empty_is_missing(feature) else column
    column = plain(column)
    if feature.kind is Kind.BOOLEAN and column.dtype.kind == "f":
        return _booleans(column)
    return column


def _split(tensor: Tensor, schema: Schema) -> Table:
    where, width = f"{tensor.where} {ALL_FEATURES!r}", len(schema.features)
    if tensor.shape[1:] != (width,):
        raise InvalidData(f"{where}: shape: allowed: [rows, {width}]: {', '.join(schema.names)}")
    _require_datatype(tensor, tuple(NUMBERS), where)
    matrix = np.asarray(tensor.column(where)).reshape(tensor.shape)
    columns: dict[str, Column] = {name: matrix[:, i] for i, name in enumerate(schema.names)}
    return Table(columns, len(matrix))


def _require_datatype(tensor: Tensor, allowed: Sequence[str], where: str) -> None:
    if tensor.datatype not in allowed:
        raise InvalidData(f"{where}: datatype: allowed: {', '.join(allowed)}")


def _empty_is_missing(feature: Feature) -> bool:
    return feature.nullable and "" not in feature.categories


def _without_empty(column: Coded) -> Coded:
    if "" not in column.values:
        return column
    empty = column.values.index("")
    return replace(column, codes=np.where(column.codes == empty, np.int32(-1), column.codes))


def _booleans(column: NDArray[Any]) -> Column:
    """Return 0 and 1 as booleans, NaN as missing and other numbers unchanged."""
    booleans = {0.0: False, 1.0: True}
    values = [None if isnan(value) else booleans.get(value, value) for value in column.tolist()]
    return to_objects(values)
