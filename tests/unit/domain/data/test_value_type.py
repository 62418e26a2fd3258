from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.value_type import ValueType, common_type, type_of

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.decimals(),
    st.text(),
    st.lists(st.none()),
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ValueType.MISSING),
        ([None], ValueType.MISSING),
        ([None, True], ValueType.BOOLEAN),
        ([1, 2**53], ValueType.SMALL_INTEGER),
        ([1, 2**53 + 1], ValueType.INTEGER),
        ([-(2**63), 2**63 - 1], ValueType.INTEGER),
        ([2**63], ValueType.EXACT),
        ([1, Decimal("0.1")], ValueType.EXACT),
        ([1, 0.5], ValueType.NUMBER),
        ([2**53 + 1, 0.5], ValueType.TEXT),
        ([Decimal("0.1"), 0.5], ValueType.TEXT),
        ([True, 1], ValueType.TEXT),
        ([True, 1.0], ValueType.TEXT),
        (["a", None], ValueType.TEXT),
        ([[1]], ValueType.TEXT),
    ],
)
def test_the_type_holds_all_values(values: list[Any], expected: ValueType) -> None:
    assert type_of(values) is expected


@given(st.lists(st.lists(VALUES, max_size=3), max_size=4))
def test_the_type_of_a_column_does_not_depend_on_its_chunks(chunks: list[list[Any]]) -> None:
    assert common_type(map(type_of, chunks)) is type_of([*chain(*chunks)])
