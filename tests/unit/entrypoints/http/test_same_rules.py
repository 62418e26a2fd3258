"""The ordinary path, the fast path and batches accept the same rows, and reject them alike."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.data.table import Table
from domain.errors import InvalidRows, Violation
from entrypoints.http.fast_path.fast_path import FastPath
from entrypoints.http.protocols.json_columns import to_column, to_objects
from tests.support.asgi import Answer, data_plane, ordinary, post
from tests.support.orchard import ORCHARD, planted
from tests.support.strategies import records, schemas

LOADED = planted().load_model()(ORCHARD)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([10**400, -(10**400), 2**63, 2**53 + 1, 1e308, 1e-270, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.none(), max_size=1),
)


@dataclass
class Recorder:
    """Predicts zeros, and keeps the encoded rows."""

    seen: list[Matrix] = field(default_factory=list)

    def predict(self, matrix: Matrix) -> Vector:
        self.seen.append(matrix)
        return np.zeros(len(matrix))


@st.composite
def requests(draw: st.DrawFn) -> tuple[Schema, list[Any]]:
    """Draw a schema and rows of which some values are changed, removed or added."""
    schema = draw(schemas())
    rows: list[Any] = draw(records(schema, min_size=1, max_size=3))
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        if not isinstance(rows[row], dict):
            continue
        name = draw(st.sampled_from([*schema.names, "\x00unknown"]))
        changed = {**rows[row], name: draw(VALUES)}
        without = {key: value for key, value in rows[row].items() if key != name}
        rows[row] = draw(st.sampled_from([changed, without]) | VALUES)
    return schema, rows


@dataclass
class Servers:
    """The server of a schema, with the fast path and without."""

    schema: Schema

    def __post_init__(self) -> None:
        self.predictor = Recorder()
        manifest = replace(LOADED.manifest, schema=self.schema)
        plane = data_plane(replace(LOADED, manifest=manifest, predictor=self.predictor))
        app = ordinary(plane)
        self.apps: list[ASGIApp] = [app, FastPath(plane, app).answer]

    def post(self, path: str, body: Any) -> Iterator[tuple[Answer, bytes | None]]:
        """Return the response of each, and the encoded rows that reached the model."""
        for app in self.apps:
            answer = asyncio.run(post(app, path, json.dumps(body).encode()))
            seen = [matrix.tobytes() for matrix in self.predictor.seen]
            self.predictor.seen.clear()
            yield answer, seen[0] if seen else None


def encoded(schema: Schema, rows: list[Any]) -> tuple[bytes | None, tuple[Violation, ...]]:
    """Return the rows that the schema accepts, or the violations."""
    try:
        return schema.encode_records(rows).tobytes(), ()
    except InvalidRows as error:
        return None, error.violations


@given(requests())
def test_a_server_accepts_what_the_schema_accepts(request: tuple[Schema, list[Any]]) -> None:
    schema, rows = request
    expected, violations = encoded(schema, rows)
    for answer, seen in Servers(schema).post("/predict", {"data": rows}):
        assert seen == expected
        assert answer.status == (422 if violations else 200)
        assert answer.document.get("errors", []) == [
            {"row": v.row, "field": v.field, "problem": v.problem, "allowed": v.allowed}
            for v in violations
        ]


@given(requests())
def test_a_table_is_accepted_like_its_records(request: tuple[Schema, list[Any]]) -> None:
    schema, given_rows = request
    rows = [
        {name: row.get(name) for name in schema.names}
        for row in given_rows
        if isinstance(row, dict)
    ]
    if not rows:
        return
    expected, violations = encoded(schema, rows)
    cells = {name: [row[name] for row in rows] for name in schema.names}
    for column in (to_column, to_objects):
        batch = schema.encode_table(Table.of({n: column(values) for n, values in cells.items()}))
        assert batch.violations == violations
        if not violations:
            assert batch.matrix.tobytes() == expected
    for answer, seen in Servers(schema).post("/invocations", {"dataframe_records": rows}):
        assert answer.status == (400 if violations else 200)
        assert seen == expected
