import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Schema, Target
from domain.evaluation.segments import segments

SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("north", Kind.NUMBER, nullable=True),
        Feature("east", Kind.NUMBER),
        Feature("place", Kind.CATEGORY, categories=("sea", "land", "moon"), nullable=True),
    ),
    coordinates=Coordinates("north", "east"),
)


def _rows(rows: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    random = np.random.default_rng(seed)
    places = random.uniform(0, 10, (rows, 2)) * (1, 3)
    return np.column_stack((places, random.integers(0, 2, rows).astype(np.float64)))


@given(st.integers(1, 200), st.integers(0, 9))
def test_every_row_is_in_one_segment_of_each_kind_and_none_is_empty(rows: int, seed: int) -> None:
    found = segments(SCHEMA, _rows(rows, seed), np.linspace(0, 1, rows))
    assert {segment.by for segment in found} == {"prediction", "place", "map"}
    for by in ("prediction", "place", "map"):
        masks = [segment.rows for segment in found if segment.by == by]
        assert np.sum(masks, axis=0).tolist() == [1] * rows
        assert all(mask.any() for mask in masks)


def test_bands_and_cells_have_as_many_rows_each() -> None:
    found = segments(SCHEMA, _rows(400), np.linspace(0, 1, 400))
    sizes = {by: [int(s.rows.sum()) for s in found if s.by == by] for by in ("prediction", "map")}
    assert sizes == {"prediction": [80] * 5, "map": [50] * 8}


def test_segments_are_named_by_what_is_in_them() -> None:
    found = segments(SCHEMA, _rows(100), np.linspace(0, 99_000, 100))
    names = [segment.name for segment in found]
    assert names[:2] == ["0 to 19,000", "20,000 to 39,000"]
    assert names[5:7] == ["sea", "land"]
    assert names[7].startswith("north 0.")
    assert ", east 0." in names[7]


def test_the_map_is_first_halved_across_its_longer_side() -> None:
    matrix = _rows(400)
    cells = [s.rows for s in segments(SCHEMA, matrix, np.zeros(400)) if s.by == "map"]
    west, east = np.any(cells[:4], axis=0), np.any(cells[4:], axis=0)
    assert matrix[west, 1].max() < matrix[east, 1].min()


def test_rows_without_a_place_or_category_are_in_no_such_segment() -> None:
    matrix = _rows(40)
    matrix[0] = np.nan
    found = segments(SCHEMA, matrix, np.linspace(0, 1, 40))
    assert {segment.by for segment in found if segment.rows[0]} == {"prediction"}


def test_a_table_without_places_and_categories_has_bands_only() -> None:
    schema = Schema("plain", Target("y"), (Feature("x", Kind.NUMBER),))
    found = segments(schema, np.zeros((10, 1)), np.linspace(0, 1, 10))
    assert [segment.by for segment in found] == ["prediction"] * 5


@pytest.mark.parametrize("rows", [1, 7])
def test_rows_that_are_all_predicted_alike_are_one_band(rows: int) -> None:
    found = segments(SCHEMA, _rows(rows), np.full(rows, 3.0))
    assert [s.name for s in found if s.by == "prediction"] == ["3 to 3"]
