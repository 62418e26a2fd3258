from datetime import date
from decimal import Decimal
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sql.cells import Fingerprint, as_column, canonical
from domain.data.feature import Kind
from domain.data.table import plain

CELLS = st.lists(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
)


@given(CELLS, st.data())
def test_a_fingerprint_does_not_depend_on_how_cells_are_divided(
    cells: list[Any], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(cells)))
    whole, parts = Fingerprint(), Fingerprint()
    whole.update(canonical(cells))
    parts.update(canonical(cells[:cut]))
    parts.update(canonical(cells[cut:]))
    assert whole.hex == parts.hex
    assert whole.short == parts.short == int(whole.hex[:16], 16)


@given(st.lists(st.none() | st.decimals(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_decimal_becomes_the_double_that_its_text_becomes(cells: list[Any]) -> None:
    column = plain(as_column(cells, Kind.NUMBER, boolean=False)).tolist()
    found = [None if value is None or isnan(value) else value for value in column]
    assert found == [None if cell is None else float(str(cell)) for cell in cells]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (None, float("nan")),
        (Decimal("2.50"), 2.5),
        (2**60, float(2**60)),
        (2**60, Decimal(2**60).scaleb(3).scaleb(-3)),
        (1e300, Decimal(int(1e300))),
        (0.1, Decimal("0.10")),
        (float("inf"), Decimal("Infinity")),
        (date(2024, 2, 29), "2024-02-29"),
    ],
)
def test_equal_values_count_as_equal_whatever_their_type(one: Any, other: Any) -> None:
    assert canonical([one]) == canonical([other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0], [1.0000000000000002]),
        ([2**60], [2**60 + 1]),
        ([Decimal(2**53)], [Decimal(2**53) + Decimal("0.5")]),
        ([Decimal("0.1")], [Decimal("0.10000000000000000001")]),
        ([Decimal("1E400")], [Decimal("2E400")]),
        ([Decimal("1E-400")], [0]),
        ([1], ["1"]),
        ([None], [""]),
        ([None], [0]),
        ([b"a"], ["a"]),
        (["ab", "c"], ["a", "bc"]),
        (["a", None], [None, "a"]),
        ([float("inf")], [float("-inf")]),
    ],
)
def test_different_values_have_different_fingerprints(one: list[Any], other: list[Any]) -> None:
    assert canonical(one) != canonical(other)
