from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.data.table import Coded, plain
from domain.errors import InvalidData
from entrypoints.http.protocols.json_columns import require_features, to_codes, to_column
from tests.support.strategies import CELLS, features, objects


@given(features(), st.lists(CELLS, max_size=6))
def test_a_column_means_what_its_values_mean_one_by_one(
    feature: Feature, values: list[Any]
) -> None:
    quick, problems = feature.encode_column(to_column(values))
    thorough, others = feature.encode_column(objects(values))
    assert problems == others
    np.testing.assert_array_equal(np.delete(quick, [*problems]), np.delete(thorough, [*others]))


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2.5, None], "f"), ([True, False], "b"), ([True, 1], "O"), ([[]], "O")]
)
def test_numbers_and_booleans_are_held_as_such(values: list[Any], kind: str) -> None:
    assert plain(to_column(values)).dtype.kind == kind


def test_texts_are_held_once_each() -> None:
    column = to_column(["b", None, "a", "b"])
    assert isinstance(column, Coded)
    assert (column.codes.tolist(), column.values) == ([0, -1, 1, 0], ("b", "a"))
    assert to_codes([b"\xc3\xbc", "ü"]).values == ("ü", "ü")


def test_a_nullable_feature_is_not_required() -> None:
    number, word = Feature("n", Kind.NUMBER), Feature("w", Kind.NUMBER, nullable=True)
    schema = Schema("s", Target("y"), (number, word))
    require_features(["n"], schema)
    with pytest.raises(InvalidData) as refused:
        require_features(["w", "SESAME"], schema)
    assert str(refused.value) == "'n' missing; needed: n, w (may be left out)"
