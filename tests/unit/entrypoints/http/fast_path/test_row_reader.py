import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.errors import InvalidRows
from domain.scoring.prediction import PLAIN, PredictionOptions
from entrypoints.http.fast_path.row_reader import MANY_BYTES, RowReader
from tests.support.samples import SCHEMA
from tests.support.strategies import records, schemas

ROW = SCHEMA.example

JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)


# What makes a body of a few rows long enough to be read as if it held many.
PADDING = {"few": b"", "many": b" " * MANY_BYTES}
PADDED = pytest.mark.parametrize("padding", PADDING.values(), ids=PADDING)


def body(*rows: object) -> bytes:
    return json.dumps({"data": rows}).encode()


def encoded(schema: Schema, rows: list[Any]) -> bytes | None:
    try:
        return schema.encode_records(rows).tobytes()
    except InvalidRows:
        return None


def read(schema: Schema, content: bytes) -> bytes | None:
    request = RowReader(schema).read(content)
    return None if request is None else np.array(request[0], dtype=np.float64).tobytes()


@PADDED
@given(data=st.data())
def test_what_is_accepted_is_what_the_schema_accepts(padding: bytes, data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(records(schema, min_size=1, max_size=3))
    name = data.draw(st.sampled_from([*schema.names, "unknown"]))
    changed = data.draw(st.sampled_from([*range(len(rows)), None]))
    if changed is not None:
        rows[changed] = {**rows[changed], name: data.draw(JSON_VALUES)}
    found = read(schema, body(*rows) + padding)
    expected = encoded(schema, rows)
    texts_with_colons = body(*rows).count(b":") != 1 + sum(map(len, rows))
    assert found == (None if texts_with_colons else expected)


@PADDED
@given(data=st.data())
def test_a_row_without_some_fields_is_read_like_the_schema_reads_it(
    padding: bytes, data: st.DataObject
) -> None:
    schema = data.draw(schemas())
    (row,) = data.draw(records(schema, min_size=1, max_size=1))
    kept = data.draw(st.sets(st.sampled_from(schema.names)))
    part = {name: value for name, value in row.items() if name in kept}
    if body(part).count(b":") == 1 + len(part):
        assert read(schema, body(part) + padding) == encoded(schema, [part])


@PADDED
@pytest.mark.parametrize("value", [10**400, -(10**400), 2**63, 2**53 + 1, True, "1", [1], 1e308])
def test_a_number_is_read_like_the_schema_reads_it(padding: bytes, value: object) -> None:
    schema = Schema("s", Target("y"), (Feature("x", Kind.NUMBER), Feature("z", Kind.BOOLEAN)))
    rows = [{"x": value, "z": True}]
    assert read(schema, body(*rows) + padding) == encoded(schema, rows)


@PADDED
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"data": {}}',
        b'{"rows": []}',
        b'{"data": [], "more": 1}',
        b'{"data": [NaN]}',
        b'{"data": [1]}',
        b'{"data": ["a"]}',
        b'{"data": 1}',
        b'{"more": []}',
        b'{"data": ' + b"[" * 10_000,
    ],
)
def test_a_body_of_another_form_is_left_to_the_ordinary_route(
    padding: bytes, content: bytes
) -> None:
    assert RowReader(SCHEMA).read(content + padding) is None


@PADDED
@pytest.mark.parametrize(
    ("more", "extras"),
    [
        ({}, PLAIN),
        ({"interval": 0.9}, PredictionOptions(0.9)),
        ({"interval": 1}, PredictionOptions(1.0)),
        ({"extrapolates": True}, PredictionOptions(None, extrapolates=True)),
        ({"interval": 0.5, "extrapolates": False}, PredictionOptions(0.5)),
    ],
)
def test_the_options_are_read(
    padding: bytes, more: dict[str, Any], extras: PredictionOptions
) -> None:
    content = json.dumps({"data": [ROW], **more}).encode() + padding
    request = RowReader(SCHEMA).read(content)
    assert request is not None
    assert request[1] == extras


@PADDED
@pytest.mark.parametrize(
    "more",
    [
        {"interval": "0.9"},
        {"interval": True},
        {"interval": [0.9]},
        {"extrapolates": 1},
        {"extrapolates": None},
        {"level": 0.9},
    ],
)
def test_an_invalid_option_is_left_to_the_ordinary_route(
    padding: bytes, more: dict[str, Any]
) -> None:
    content = json.dumps({"data": [ROW], **more}).encode() + padding
    assert RowReader(SCHEMA).read(content) is None


@PADDED
@pytest.mark.parametrize("age", [1e-270, 1.5, 2.0000000000000004, 1e15 + 0.5])
def test_an_integer_with_the_smallest_fraction_is_not_accepted(padding: bytes, age: float) -> None:
    assert RowReader(SCHEMA).read(body({**ROW, "age": 9.0}) + padding) is not None
    assert RowReader(SCHEMA).read(body({**ROW, "age": age}) + padding) is None


@PADDED
def test_a_field_that_is_repeated_is_left_to_the_ordinary_route(padding: bytes) -> None:
    once = body(ROW)
    name = SCHEMA.names[0]
    twice = once.replace(f'"{name}":'.encode(), f'"{name}": 1, "{name}":'.encode(), 1)
    assert RowReader(SCHEMA).read(once + padding) is not None
    assert RowReader(SCHEMA).read(twice + padding) is None


@PADDED
def test_an_absent_field_does_not_hide_one_that_is_repeated(padding: bytes) -> None:
    nullable = next(feature.name for feature in SCHEMA.features if feature.nullable)
    name = next(feature.name for feature in SCHEMA.features if not feature.nullable)
    part = {key: value for key, value in ROW.items() if key != nullable}
    twice = body(part).replace(f'"{name}":'.encode(), f'"{name}": 1, "{name}":'.encode(), 1)
    assert twice.count(b":") == body(ROW).count(b":")
    assert RowReader(SCHEMA).read(twice + padding) is None
