"""Whatever protocol rows come in, the model is asked the same as by `POST /predict`."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.data.table import Table
from domain.errors import InvalidData
from entrypoints.http.protocols.mlflow.scoring_payload import read_csv_rows, read_json_rows
from entrypoints.http.protocols.open_inference.infer_request import read_request
from entrypoints.http.protocols.open_inference.inputs import fits_one_tensor, read_table
from tests.support.strategies import features, records, schemas
from tests.unit.entrypoints.http.protocols.wire import (
    Message,
    as_binary,
    as_csv,
    as_json,
    mlflow_forms,
    tensor,
    tensors,
)

Case = tuple[Schema, list[dict[str, Any]]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    schema = draw(schemas())
    return schema, draw(records(schema, min_size=1))


@st.composite
def numeric_cases(draw: st.DrawFn) -> Case:
    kinds = st.sampled_from([Kind.NUMBER, Kind.INTEGER])
    columns = [draw(features(f"x{i}", draw(kinds))) for i in range(draw(st.integers(1, 4)))]
    schema = Schema("numbers", Target("y"), tuple(columns))
    return schema, draw(records(schema, min_size=1))


def any_number(_: int) -> None:
    """Admit any number of rows."""


def v2(message: Message, schema: Schema, admit: Callable[[int], None]) -> Table:
    return read_table(read_request(message.content, message.header).inputs, schema, admit)


def assert_same(table: Table, schema: Schema, rows: Sequence[object]) -> None:
    encoded = schema.encode_table(table)
    assert encoded.violations == ()
    np.testing.assert_array_equal(encoded.matrix, schema.encode_records(rows), strict=True)


@given(cases())
def test_tensors_in_json(case: Case) -> None:
    schema, rows = case
    counted: list[int] = []
    table = v2(as_json(tensors(schema, rows, binary=False)), schema, counted.append)
    assert_same(table, schema, rows)
    assert counted == [len(rows)]


@given(cases())
def test_tensors_in_bytes(case: Case) -> None:
    schema, rows = case
    assume(not any(f.nullable and "" in f.categories for f in schema.features))
    message = as_binary(tensors(schema, rows, binary=True))
    assert_same(v2(message, schema, any_number), schema, rows)


def test_the_same_header_before_other_bytes(small_schema: Schema) -> None:
    for age in (1.0, 2.0, None, 1.0):
        rows = [{**small_schema.example, "age": age}]
        inputs = tensors(small_schema, rows, binary=True)
        inputs = [
            {**item, "datatype": "FP64"} if item["name"] == "age" else item for item in inputs
        ]
        message = as_binary(inputs)
        assert_same(v2(message, small_schema, any_number), small_schema, rows)
        for wrong in (message.content + b"x", message.content[:-1]):
            with pytest.raises(InvalidData, match="bytes"):
                v2(Message(wrong, message.header), small_schema, any_number)


@given(cases(), st.randoms(use_true_random=False))
def test_tensors_may_come_in_any_order_and_as_columns_of_one(case: Case, random: Any) -> None:
    schema, rows = case
    inputs = tensors(schema, rows, binary=False)
    for item in inputs:
        item["shape"] = [*item["shape"], 1]
        if random.random() < 0.5:
            item["data"] = [[value] for value in item["data"]]
    random.shuffle(inputs)
    assert_same(v2(as_json(inputs), schema, any_number), schema, rows)


@given(numeric_cases(), st.booleans())
def test_numbers_may_come_in_one_tensor(case: Case, binary: bool) -> None:
    schema, rows = case
    assert fits_one_tensor(schema)
    values = [np.nan if row[n] is None else row[n] for row in rows for n in schema.names]
    together = [tensor("features", "FP64", values, len(schema.names))]
    message = as_binary(together) if binary else as_json(together)
    assert_same(v2(message, schema, any_number), schema, rows)


@given(cases())
def test_each_form_of_mlflow(case: Case) -> None:
    schema, rows = case
    for body in mlflow_forms(schema, rows):
        content = json.dumps(body).encode()
        assert_same(read_json_rows(content, schema, any_number), schema, rows)


@given(cases())
def test_csv(case: Case) -> None:
    schema, rows = case
    assume(not any("" in feature.categories for feature in schema.features))
    content = as_csv(schema.names, rows)
    assert_same(read_csv_rows(content, schema, any_number), schema, rows)


@given(cases())
def test_a_missing_value_may_be_nan_where_json_is_written_by_numpy(case: Case) -> None:
    schema, rows = case
    gone = [{name: np.nan if v is None else v for name, v in row.items()} for row in rows]
    content = json.dumps({"dataframe_records": gone}).encode()
    assert_same(read_json_rows(content, schema, any_number), schema, rows)


@pytest.mark.parametrize("binary", [False, True])
def test_what_may_be_missing_may_have_no_tensor_and_no_column(
    small_schema: Schema, binary: bool
) -> None:
    rows = [{**small_schema.example, "age": None}] * 3
    lacking = [{name: v for name, v in row.items() if name != "age"} for row in rows]
    inputs = [item for item in tensors(small_schema, rows, binary=binary) if item["name"] != "age"]
    message = as_binary(inputs) if binary else as_json(inputs)
    assert_same(v2(message, small_schema, any_number), small_schema, rows)
    for body in (
        {"inputs": {name: [row[name] for row in lacking] for name in lacking[0]}},
        {"instances": lacking},
    ):
        content = json.dumps(body).encode()
        assert_same(read_json_rows(content, small_schema, any_number), small_schema, rows)
    content = as_csv([*lacking[0]], lacking)
    assert_same(read_csv_rows(content, small_schema, any_number), small_schema, rows)


def test_one_row_of_values_by_column_is_a_row(small_schema: Schema) -> None:
    content = json.dumps({"inputs": small_schema.example}).encode()
    assert_same(
        read_json_rows(content, small_schema, any_number), small_schema, [small_schema.example]
    )


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([tensor("features", "FP64", [1, 2, 3], 3)], "shape: allowed: [rows, 2]: a, b"),
        ([tensor("features", "FP64", [1, 2])], "shape: allowed: [rows, 2]: a, b"),
        ([tensor("features", "BOOL", [True, True], 2)], "datatype: allowed: FP16, FP32, FP64"),
        ([tensor("other", "FP64", [1])], "allowed: a, b, or all of them in 'features'"),
    ],
)
def test_one_tensor_of_numbers_must_hold_each_feature(inputs: list[Any], text: str) -> None:
    schema = Schema("s", Target("y"), (Feature("a", Kind.NUMBER), Feature("b", Kind.INTEGER)))
    with pytest.raises(InvalidData) as refused:
        v2(as_json(inputs), schema, any_number)
    assert text in str(refused.value)
