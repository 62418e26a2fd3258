import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.data.feature import Vector
from domain.features.nearest_neighbours import NearestNeighbours

# Few values give points at one location, and lattices on which many are equally near.
LATTICE = st.integers(-4, 4).map(float)
ANYWHERE = st.floats(-1e9, 1e9)
CLOSE = st.one_of(st.floats(-1e-3, 1e-3), st.floats(-1e-300, 1e-300))
COORDINATES = st.one_of(LATTICE, ANYWHERE, CLOSE)
POINTS = st.one_of(
    st.lists(st.tuples(LATTICE, LATTICE), min_size=1, max_size=60),
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=60),
)


def _axes(points: list[tuple[float, float]]) -> tuple[Vector, Vector]:
    return np.array([x for x, _ in points]), np.array([y for _, y in points])


def _squares(points: tuple[Vector, Vector], x: float, y: float) -> Vector:
    dx, dy = points[0] - x, points[1] - y
    squares: Vector = dx * dx + dy * dy
    return squares


def _check(
    points: tuple[Vector, Vector],
    queries: tuple[Vector, Vector],
    k: int,
    nearest: NearestNeighbours,
) -> None:
    found = nearest(*queries)
    assert found.indices.shape == found.squared_distances.shape == (len(queries[0]), nearest.k)
    for row, (x, y) in enumerate(zip(*queries, strict=True)):
        squares = _squares(points, x, y)
        expected = np.sort(squares)[:k]
        assert found.squared_distances[row].tobytes() == expected.tobytes()
        assert squares[found.indices[row]].tobytes() == expected.tobytes()
        assert len(set(found.indices[row].tolist())) == len(expected)


@given(POINTS, POINTS, st.integers(1, 35))
def test_no_point_is_nearer_than_those_found(
    given_points: list[tuple[float, float]], queries: list[tuple[float, float]], k: int
) -> None:
    points = _axes(given_points)
    nearest = NearestNeighbours.of(*points, k)
    assert nearest.k == min(k, len(given_points))
    _check(points, _axes(queries), k, nearest)


@given(POINTS, POINTS, st.integers(1, 35))
@example([(0.0, 0.0), (0.0, 1.1125369292536007e-308)], [(0.0, 0.0), (0.0, 1.0)], 1)
def test_the_result_does_not_depend_on_other_query_points(
    given_points: list[tuple[float, float]], queries: list[tuple[float, float]], k: int
) -> None:
    nearest = NearestNeighbours.of(*_axes(given_points), k)
    x, y = _axes(queries)
    together = nearest(x, y)
    for row in range(len(x)):
        alone = nearest(x[row : row + 1], y[row : row + 1])
        assert alone.indices.tobytes() == together.indices[row : row + 1].tobytes()
        assert (
            alone.squared_distances.tobytes() == together.squared_distances[row : row + 1].tobytes()
        )


def test_equally_near_points_are_ordered_by_cell_and_within_a_cell_as_given() -> None:
    crowd = np.zeros(50), np.zeros(50)
    assert NearestNeighbours.of(*crowd, 3)(np.ones(1), np.ones(1)).indices.tolist() == [[0, 1, 2]]
    corners = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    found = NearestNeighbours.of(*corners, 4)(np.zeros(1), np.zeros(1))
    assert found.indices.tolist() == [[3, 2, 1, 0]]  # cells are numbered row by row, from below


@pytest.mark.parametrize("count", [1, 511, 512, 513, 2000])
def test_many_query_points_give_the_same_result_as_few(count: int) -> None:
    random = np.random.default_rng(3)
    points = random.normal(size=3000), random.exponential(size=3000)
    x, y = random.normal(size=count) * 3, random.exponential(size=count)
    nearest = NearestNeighbours.of(*points, 31)
    _check(points, (x[:40], y[:40]), 31, nearest)
    together = nearest(x, y)
    for row in range(0, count, 97):
        alone = nearest(x[row : row + 1], y[row : row + 1])
        assert alone.indices.tolist() == [together.indices[row].tolist()]


@pytest.mark.parametrize(
    ("x", "y"), [(-122.4, 90.0), (180.0, 37.0), (-180.0, -90.0), (1e9, -1e9), (0.0, 0.0)]
)
def test_the_search_is_exact_far_outside_of_the_grid(x: float, y: float) -> None:
    random = np.random.default_rng(4)
    points = random.uniform(-124, -114, 4000).round(2), random.uniform(32, 42, 4000).round(2)
    _check(points, (np.array([x]), np.array([y])), 31, NearestNeighbours.of(*points, 31))


def test_an_outlier_does_not_change_the_result() -> None:
    random = np.random.default_rng(5)
    points = np.append(random.normal(size=2000), 1e6), np.append(random.normal(size=2000), 0.0)
    queries = np.append(random.normal(size=20), 9e5), np.append(random.normal(size=20), 0.0)
    _check(points, queries, 31, NearestNeighbours.of(*points, 31))


def test_no_query_points_have_no_neighbours() -> None:
    found = NearestNeighbours.of(np.zeros(3), np.zeros(3), 2)(np.empty(0), np.empty(0))
    assert found.indices.shape == found.squared_distances.shape == (0, 2)
