import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidData, InvalidRows
from domain.prediction import PLAIN, Extras
from domain.schema import Schema
from entrypoints.http.body import read_question
from entrypoints.http.row_reader import RowReader
from tests.integration.contracts.samples import SCHEMA
from tests.unit.strategies import records, schemas

ROW = SCHEMA.example

JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)


def body(*rows: object) -> bytes:
    return json.dumps({"data": rows}).encode()


def thorough(schema: Schema, rows: list[Any]) -> bytes | None:
    try:
        return schema.encode_records(rows).tobytes()
    except InvalidRows:
        return None


def quick(schema: Schema, content: bytes) -> bytes | None:
    question = RowReader(schema).read(content)
    return None if question is None else np.array(question[0], dtype=np.float64).tobytes()


@given(st.data())
def test_what_is_accepted_is_what_the_schema_accepts(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(records(schema, min_size=1, max_size=3))
    name = data.draw(st.sampled_from([*schema.names, "unknown"]))
    changed = data.draw(st.sampled_from([*range(len(rows)), None]))
    if changed is not None:
        rows[changed] = {**rows[changed], name: data.draw(JSON_VALUES)}
    found = quick(schema, body(*rows))
    expected = thorough(schema, rows)
    texts_with_colons = body(*rows).count(b":") != 1 + sum(map(len, rows))
    assert found == (None if texts_with_colons else expected)


@given(st.data())
def test_a_row_that_lacks_fields_is_read_like_the_schema_reads_it(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    (row,) = data.draw(records(schema, min_size=1, max_size=1))
    kept = data.draw(st.sets(st.sampled_from(schema.names)))
    part = {name: value for name, value in row.items() if name in kept}
    if body(part).count(b":") == 1 + len(part):
        assert quick(schema, body(part)) == thorough(schema, [part])


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
        b'{"data": ' + b"[" * 10_000,
    ],
)
def test_a_body_of_another_form_is_left_to_the_thorough_way(content: bytes) -> None:
    assert RowReader(SCHEMA).read(content) is None


@pytest.mark.parametrize(
    ("more", "extras"),
    [
        ({}, PLAIN),
        ({"interval": 0.9}, Extras(0.9)),
        ({"interval": 1}, Extras(1.0)),
        ({"extrapolates": True}, Extras(None, extrapolates=True)),
        ({"interval": 0.5, "extrapolates": False}, Extras(0.5)),
    ],
)
def test_what_else_is_asked_for_is_read(more: dict[str, Any], extras: Extras) -> None:
    content = json.dumps({"data": [ROW], **more}).encode()
    question = RowReader(SCHEMA).read(content)
    assert question is not None
    assert question[1] == extras
    assert read_question(content) == ([ROW], extras)


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
def test_what_else_is_wrongly_asked_for_is_left_to_the_thorough_way(more: dict[str, Any]) -> None:
    content = json.dumps({"data": [ROW], **more}).encode()
    assert RowReader(SCHEMA).read(content) is None
    with pytest.raises(InvalidData, match=r"interval|extrapolates"):
        read_question(content)


@pytest.mark.parametrize("age", [1e-270, 1.5, 2.0000000000000004, 1e15 + 0.5])
def test_an_integer_with_the_smallest_fraction_is_none(age: float) -> None:
    assert RowReader(SCHEMA).read(body({**ROW, "age": 9.0})) is not None
    assert RowReader(SCHEMA).read(body({**ROW, "age": age})) is None


def test_a_field_that_stands_there_twice_is_left_to_the_thorough_way() -> None:
    once = body(ROW)
    name = SCHEMA.names[0]
    twice = once.replace(f'"{name}":'.encode(), f'"{name}": 1, "{name}":'.encode(), 1)
    assert RowReader(SCHEMA).read(once) is not None
    assert RowReader(SCHEMA).read(twice) is None


def test_a_missing_field_does_not_hide_one_that_stands_there_twice() -> None:
    nullable = next(feature.name for feature in SCHEMA.features if feature.nullable)
    name = next(feature.name for feature in SCHEMA.features if not feature.nullable)
    part = {key: value for key, value in ROW.items() if key != nullable}
    twice = body(part).replace(f'"{name}":'.encode(), f'"{name}": 1, "{name}":'.encode(), 1)
    assert twice.count(b":") == body(ROW).count(b":")
    assert RowReader(SCHEMA).read(twice) is None
