import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.errors import ArtefactRejected
from domain.model import golden_rows as golden
from domain.model.golden_rows import GoldenRows

PLAIN = Feature("a", Kind.NUMBER)
NULLABLE = Feature("b", Kind.NUMBER, nullable=True)
CELLS = st.floats(allow_infinity=False)
ROWS = st.lists(st.tuples(CELLS, CELLS, st.floats(-1e9, 1e9)), min_size=1, max_size=12)


def _golden(rows: list[tuple[float, float, float]]) -> GoldenRows:
    values = np.array(rows, dtype=np.float64)
    return GoldenRows(values[:, :2], values[:, 2])


@given(ROWS)
def test_rows_come_back_to_the_last_bit(rows: list[tuple[float, float, float]]) -> None:
    kept = _golden(rows)
    again = GoldenRows.from_bytes(kept.to_bytes())
    assert np.array_equal(again.inputs, kept.inputs, equal_nan=True)
    assert again.outputs.tobytes() == kept.outputs.tobytes()
    assert again.to_bytes() == kept.to_bytes()
    again.check(kept.outputs)


@given(ROWS, st.data())
def test_a_changed_prediction_is_rejected(
    rows: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    kept = _golden(rows)
    answers = kept.outputs.copy()
    row = data.draw(st.integers(0, len(rows) - 1))
    answers[row] += 1e-8 * (1 + float(np.max(np.abs(answers))))
    with pytest.raises(ArtefactRejected, match=r"^golden rows: predictions differ"):
        kept.check(answers)
    with pytest.raises(ArtefactRejected, match=r"^golden rows: predictions differ"):
        kept.check(kept.outputs[1:])


@pytest.mark.parametrize("rows", [1, 2, 39, 40, 41, 4128])
def test_rows_are_chosen_from_the_first_to_the_last_and_some_get_gaps(rows: int) -> None:
    matrix = np.arange(2.0 * rows).reshape(rows, 2)
    chosen = golden.choose(Schema("s", Target("y"), (PLAIN, NULLABLE)), matrix)
    whole = min(rows, 40)
    assert chosen[0].tolist() == matrix[0].tolist()
    assert chosen[whole - 1].tolist() == matrix[-1].tolist()
    assert {tuple(row) for row in chosen[:whole].tolist()} <= {tuple(r) for r in matrix.tolist()}
    gaps = chosen[whole:]
    assert len(gaps) == min(whole, 10)
    assert gaps[:, 0].tolist() == chosen[: len(gaps), 0].tolist()
    assert np.isnan(gaps[:, 1]).all()


def test_no_row_gets_a_gap_where_nothing_may_be_missing() -> None:
    matrix = np.arange(200.0).reshape(100, 2)
    schema = Schema("s", Target("y"), (PLAIN, Feature("b", Kind.NUMBER)))
    assert golden.choose(schema, matrix).shape == (40, 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"not json",
        b"3",
        b"[]",
        b"{}",
        b'{"inputs": [[1]]}',
        b'{"inputs": [["a"]], "outputs": [1]}',
        b'{"inputs": [[1], [1, 2]], "outputs": [1, 2]}',
        b'{"inputs": [[{}]], "outputs": [1]}',
        b'{"inputs": [1], "outputs": [1]}',
        b'{"inputs": [[1]], "outputs": [1, 2]}',
        b'{"inputs": [], "outputs": []}',
        b'{"inputs": [[1]], "outputs": [1' + b"0" * 400 + b"]}",
        b'{"inputs": ' + b"[" * 100_000,
        b'{"inputs": ' + b"[" * 200 + b"]" * 200 + b', "outputs": []}',
    ],
)
def test_what_is_not_golden_rows_is_rejected(content: bytes) -> None:
    with pytest.raises(ArtefactRejected, match=r"^golden\.json cannot be read"):
        GoldenRows.from_bytes(content)


def test_a_missing_value_is_written_as_null() -> None:
    written: dict[str, Any] = json.loads(_golden([(1.0, float("nan"), 2.0)]).to_bytes())
    assert written == {"inputs": [[1.0, None]], "outputs": [2.0]}
