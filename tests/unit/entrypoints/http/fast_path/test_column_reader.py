from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.data.schema import Schema
from domain.data.table import Coded, Column, Table
from domain.errors import Violation
from entrypoints.http.fast_path.column_reader import ColumnReader
from entrypoints.http.protocols.json_columns import to_column
from tests.support.strategies import CELLS, objects, records, schemas

ROWS = 3
NUMBERS = [0.0, -0.0, 1.0, 1.5, 1e-270, -7.0, 1e308, float("nan"), float("inf"), float("-inf")]


def columns(schema: Schema) -> st.SearchStrategy[Column]:
    """Return a strategy for columns as the readers of all protocols make them, good and bad."""
    texts = sorted({text for feature in schema.features for text in feature.categories} | {"", "x"})
    codes = st.lists(st.integers(-1, len(texts) - 1), min_size=ROWS, max_size=ROWS)
    numbers = st.lists(st.sampled_from(NUMBERS), min_size=ROWS, max_size=ROWS)
    small = st.lists(st.integers(0, 1), min_size=ROWS, max_size=ROWS)
    kinds = st.sampled_from([np.int8, np.uint64, np.float32, np.bool_])
    cells = st.lists(CELLS, min_size=ROWS, max_size=ROWS)
    return st.one_of(
        codes.map(lambda codes: Coded(np.array(codes, dtype=np.int32), tuple(texts))),
        st.just(Coded(np.full(ROWS, -1, dtype=np.int32), ())),
        numbers.map(np.array),
        st.builds(np.array, small, kinds),
        cells.map(objects),
    )


@given(st.data())
def test_what_is_read_of_a_table_is_what_the_schema_accepts(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    good: list[dict[str, Any]] = data.draw(records(schema, min_size=ROWS, max_size=ROWS))
    given = {name: to_column([row[name] for row in good]) for name in schema.names}
    changed = data.draw(st.sets(st.sampled_from(schema.names)))
    given |= {name: data.draw(columns(schema)) for name in changed}
    table = Table(given, ROWS)
    encoded = schema.encode_table(table)
    found = ColumnReader(schema).read_table(table)
    if found is not None:
        assert encoded.violations == ()
        assert found.tobytes() == encoded.matrix.tobytes()
    elif not changed:
        # Columns in which something is missing are left to the thorough way if it takes a look at
        # each value to tell what they hold.
        assert None in [value for row in good for value in row.values()]


def test_a_table_with_an_unreadable_row_or_without_a_feature_is_not_accepted(
    small_schema: Schema,
) -> None:
    reader = ColumnReader(small_schema)
    row = small_schema.example
    given = {name: to_column([row[name]]) for name in small_schema.names}
    assert reader.read_table(Table(given, 1)) is not None
    assert reader.read_table(Table(given, 1, (Violation(0, "", "is none", "a row"),))) is None
    for name in given:
        assert reader.read_table(Table({n: c for n, c in given.items() if n != name}, 1)) is None
