from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sql.cells import Fingerprint, canonical

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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (None, float("nan")),
        (Decimal("2.50"), 2.5),
        (2**60, float(2**60)),
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
