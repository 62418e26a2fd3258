from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.schema import Coordinates, Schema
from domain.evaluation.diagnostics import (
    LOCATION,
    calibration,
    error_by_segment,
    on_map,
    pareto_optimal,
    shuffles,
)
from domain.evaluation.segments import Segment
from tests.support.houses import SCHEMA

RANDOM = np.random.default_rng(5)
MAPPED = replace(SCHEMA, coordinates=Coordinates("age", "rooms"))


def matrix(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return RANDOM.normal(size=(rows, len(SCHEMA.features)))


def test_the_error_of_a_part_is_that_of_its_rows() -> None:
    part = Segment("place", "sea", np.array([True, True, False]))
    (found,) = error_by_segment([part], np.zeros(3), np.array([3.0, -1.0, 9.0]))
    assert (found.by, found.part, found.rows) == ("place", "sea", 2)
    assert found.rmse == pytest.approx(np.sqrt(5))
    assert (found.mae, found.bias) == (2.0, 1.0)


def test_calibration_goes_from_low_to_high_and_keeps_the_means() -> None:
    predictions, target = RANDOM.normal(size=100), RANDOM.normal(size=100)
    bands = calibration(target, predictions, 10)
    predicted = [band.predicted for band in bands]
    assert predicted == sorted(predicted)
    assert np.mean(predicted) == pytest.approx(np.mean(predictions))
    assert np.mean([band.true for band in bands]) == pytest.approx(np.mean(target))


def test_a_map_holds_every_row_with_a_place_once() -> None:
    rows = matrix(50)
    rows[:5, 0] = np.nan
    found = on_map(MAPPED, rows, np.full(50, 7.0))
    assert found is not None
    assert sum(found.rows) == 45
    assert found.mean == pytest.approx([7.0] * len(found.mean))
    assert min(found.longitude) >= rows[:, 1].min()


@pytest.mark.parametrize("schema", [SCHEMA, MAPPED])
def test_without_places_there_is_no_map(schema: Schema) -> None:
    assert on_map(schema, np.full((3, 3), np.nan), np.zeros(3)) is None


def test_rows_in_one_place_are_one_cell() -> None:
    found = on_map(MAPPED, np.ones((4, 3)), np.array([1.0, 2.0, 3.0, 6.0]))
    assert found is not None
    assert (found.rows, found.mean) == ([4], [3.0])


def test_a_place_is_shuffled_as_one_and_other_features_alone() -> None:
    rows = matrix(40)
    found = {one.name: one(rows, 1) for one in shuffles(MAPPED)}
    assert [*found] == [LOCATION, "place"]
    moved = found[LOCATION]
    assert sorted(map(tuple, moved[:, :2].tolist())) == sorted(map(tuple, rows[:, :2].tolist()))
    assert [one.name for one in shuffles(SCHEMA)] == ["age", "rooms", "place"]


def test_shuffling_leaves_the_rows_that_were_given_alone() -> None:
    rows = matrix(40)
    before = rows.copy()
    for shuffled in shuffles(SCHEMA):
        changed = shuffled(rows, 3)
        assert (changed != rows).any(axis=0).sum() == 1
    assert (rows == before).all()


def test_the_front_is_what_nothing_else_beats() -> None:
    assert pareto_optimal([1, 2, 3, 4], [9, 5, 6, 4]) == [True, True, False, True]
    assert pareto_optimal([1, 1], [2, 2]) == [True, True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_somebody_is_pareto_optimal(pairs: list[tuple[int, int]]) -> None:
    costs, errors = zip(*pairs, strict=True)
    assert any(pareto_optimal(costs, errors))
