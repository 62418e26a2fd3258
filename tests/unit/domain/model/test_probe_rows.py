import numpy as np

from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Schema, Target
from domain.model.probe_rows import far_away, nearby, without_nullable

MAP = Schema(
    "map",
    Target("price"),
    (
        Feature("north", Kind.NUMBER, low=-90, high=90),
        Feature("rooms", Kind.NUMBER, nullable=True),
        Feature("east", Kind.NUMBER),
    ),
    coordinates=Coordinates(latitude="north", longitude="east"),
)
LIST = Schema("list", Target("price"), (Feature("a", Kind.NUMBER), Feature("b", Kind.NUMBER)))


def test_rows_get_gaps_where_a_value_may_be_missing() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    gaps = without_nullable(MAP, rows)
    assert np.isnan(gaps[:, 1]).all()
    assert gaps[:, [0, 2]].tolist() == rows[:, [0, 2]].tolist()
    assert rows.tolist() == np.arange(6.0).reshape(2, 3).tolist()
    assert without_nullable(LIST, rows[:, :2]).shape == (0, 2)


def test_rows_are_moved_to_the_corners_of_the_map_by_turns() -> None:
    rows = np.arange(15.0).reshape(5, 3)
    moved = far_away(MAP, rows)
    places = moved[:, [2, 0]].tolist()
    # The longitudes are from 2 to 14: where none is said to be the last, ten times as far and more.
    corners = [[-128.0, -90.0], [-128.0, 90.0], [144.0, -90.0], [144.0, 90.0]]
    assert places == [*corners, corners[0]]
    assert moved[:, 1].tolist() == rows[:, 1].tolist()
    assert rows.tolist() == np.arange(15.0).reshape(5, 3).tolist()


def test_rows_stay_where_there_is_no_map_and_none_are_moved_where_there_are_none() -> None:
    assert far_away(LIST, np.ones((2, 2))).shape == (0, 2)
    assert far_away(MAP, np.ones((0, 3))).shape == (0, 3)


def test_as_many_rows_as_wanted_are_a_little_away_from_every_place() -> None:
    rows = np.array([[37.0, 1.0, -122.0], [37.0, 2.0, -122.0], [36.0, 3.0, -121.0]])
    near = nearby(MAP, rows, 7)
    assert near[:, :2].tolist() == rows[[0, 1, 2, 0, 1, 2, 0], :2].tolist()
    assert np.abs(near[:, 2] - rows[[0, 1, 2, 0, 1, 2, 0], 2]).max() < 1e-5
    places = {tuple(place) for place in near[:, [0, 2]].tolist()}
    assert len(places) == 7
    assert places.isdisjoint(map(tuple, rows[:, [0, 2]].tolist()))
    assert rows[0, 2] == -122.0


def test_nothing_is_near_where_there_is_no_map_or_no_row() -> None:
    assert nearby(LIST, np.ones((2, 2)), 5).shape == (0, 2)
    assert nearby(MAP, np.ones((0, 3)), 5).shape == (0, 3)
