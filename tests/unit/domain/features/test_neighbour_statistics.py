from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, InvalidData
from domain.features.neighbour_statistics import NeighbourStatistics

NAMES = ("price", "rooms")
SHARES = (1.0, 0.5, 0.01)
# A lattice, on which many rows have one location and many are equally near.
DEGREES = st.one_of(st.integers(-3, 3).map(float), st.floats(-180, 180))
ROWS = st.lists(
    st.tuples(DEGREES, DEGREES, st.integers(1, 9).map(float), st.floats(-5, 5)),
    min_size=2,
    max_size=45,
)
POINTS = st.lists(st.tuples(DEGREES, DEGREES), min_size=1, max_size=12)


def _fit(rows: Matrix, *shares: float) -> tuple[NeighbourStatistics, Matrix]:
    return NeighbourStatistics.fit_transform(NAMES, rows[:, :2], rows[:, 2:], shares or (1.0,))


def _columns(statistics: NeighbourStatistics, points: Matrix) -> Matrix:
    """Return the columns of rows with as many rooms as degrees of longitude."""
    columns = np.full((len(points), len(statistics.columns)), np.nan)
    statistics.write(points, points[:, [0, 0]], columns)
    return columns


def _town(count: int = 400, seed: int = 0) -> Matrix:
    """Return rows of longitude, latitude, price and rooms; some have the same location."""
    random = np.random.default_rng(seed)
    locations = np.array([-118.0, 34.0]) + random.normal(0, 0.2, (count, 2)).round(2)
    return np.column_stack([locations, random.uniform(1, 5, (count, 2))])


def _by_hand(
    rows: Matrix, point: NDArray[np.float64], own: float, training: Matrix
) -> dict[str, float]:
    """Return some columns of a row with `own` rooms, by definition."""
    scale = round(max(np.cos(np.radians(np.median(rows[:, 1]))), 0.01), 3)
    distances = np.hypot((rows[:, 0] - point[0]) * scale, rows[:, 1] - point[1])
    order = np.argsort(distances, kind="stable")[:30]
    price, rooms, near = rows[order, 2], rows[order, 3], distances[order]
    weights = 1 / (near + 0.005)
    return {
        "price, weighted mean of 5 nearest": np.average(price[:5], weights=weights[:5]),
        "price, weighted mean of 30 nearest": np.average(price, weights=weights),
        "price, weighted mean of 10 nearest": np.average(price[:10], weights=weights[:10]),
        "price, median of 10 nearest": np.median(price[:10]),
        "price, spread of 10 nearest": price[:10].std(),
        "price, lowest of 10 nearest": price[:10].min(),
        "price, highest of 10 nearest": price[:10].max(),
        "price of the nearest": price[0],
        "distance to neighbour 30": near[-1],
        "rooms, weighted mean of 30 nearest": np.average(rooms, weights=weights),
        "price of 30 nearest, by rooms": own * (weights @ price) / (weights @ rooms),
        "price of 30 nearest, along rooms": _ridge_line(rooms, price, weights, own, training[:, 3]),
        "place along 30 degrees": point @ [np.sqrt(3) / 2, 0.5],
    }


def _ridge_line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    own: float,
    training: NDArray[np.float64],
) -> float:
    """Return the weighted ridge regression line of y on x at `own`."""
    covariance = np.cov(np.stack([x, y]), aweights=weights, ddof=0)
    slope = covariance[0, 1] / (covariance[0, 0] + 0.05 * np.var(training))
    return float(np.average(y, weights=weights) + slope * (own - np.average(x, weights=weights)))


def _same(one: Matrix, other: Matrix) -> bool:
    return one.tobytes() == other.tobytes()


def test_the_columns_follow_their_definition() -> None:
    rows = _town()
    rows[:, :2] += np.random.default_rng(1).normal(0, 1e-4, (400, 2))  # so that there are no ties
    statistics, training_columns = _fit(rows)
    point = np.array([-117.93, 34.06])
    found = dict(
        zip(
            statistics.columns,
            _columns(statistics, point[None])[0],
            strict=True,
        )
    )
    expected = _by_hand(rows, point, point[0], rows)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    found = dict(zip(statistics.columns, training_columns[7], strict=True))
    expected = _by_hand(np.delete(rows, 7, axis=0), rows[7, :2], rows[7, 3], rows)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


@given(ROWS, st.data())
def test_the_columns_of_a_row_do_not_depend_on_its_own_target(
    rows: list[tuple[float, ...]], data: st.DataObject
) -> None:
    matrix = np.array(rows)
    changed = matrix.copy()
    row = data.draw(st.integers(0, len(rows) - 1))
    changed[row, 2] = data.draw(st.floats(-1e9, 1e9))
    before, after = _fit(matrix, *SHARES)[1], _fit(changed, *SHARES)[1]
    assert before.shape == (len(SHARES) * len(rows), before.shape[1])
    for times in range(len(SHARES)):
        at = times * len(rows) + row
        assert _same(before[at], after[at])


def test_the_own_target_is_excluded_where_many_rows_have_one_location() -> None:
    crowd = _town(80)
    crowd[:70, :2] = crowd[0, :2]
    for row in (0, 35, 69, 75):
        changed = crowd.copy()
        changed[row, 2] = 1e6
        before, after = _fit(crowd, *SHARES)[1], _fit(changed, *SHARES)[1]
        for times in range(len(SHARES)):
            assert _same(before[times * 80 + row], after[times * 80 + row])
    crowd[0, 2] = 1e6
    assert _fit(crowd)[1][1:70].max() > 1e4


def test_a_subsampling_share_thins_out_the_neighbours() -> None:
    """With half of the rows, the same number of neighbours takes about twice the area."""
    town = _town(2000)
    town[:, :2] += np.random.default_rng(4).normal(0, 0.05, (2000, 2))
    statistics, columns = _fit(town, 1.0, 0.5)
    assert _same(columns[:2000], _fit(town)[1])
    farthest = statistics.columns.index("distance to neighbour 30")
    whole, half = columns[:2000, farthest], columns[2000:, farthest]
    assert (half >= whole).all()
    assert np.median(half / whole) == pytest.approx(np.sqrt(2), rel=0.05)
    assert _same(columns, _fit(town, 1.0, 0.5)[1])


def test_shuffled_targets_do_not_leak_into_the_columns() -> None:
    """If the own target were included, the columns would correlate with it."""
    town = _town(2000)
    prices = np.random.default_rng(2).permutation(town[:, 2])
    town[:, 2] = prices
    statistics, columns = _fit(town)
    for column in ("price of the nearest", "price, weighted mean of 5 nearest"):
        means = columns[:, statistics.columns.index(column)]
        assert abs(np.corrcoef(means, prices)[0, 1]) < 0.1
    leaking = _columns(statistics, town[:, :2])
    means = leaking[:, statistics.columns.index("price, weighted mean of 5 nearest")]
    assert np.corrcoef(means, prices)[0, 1] > 0.5


@given(ROWS, POINTS)
def test_a_query_point_has_the_same_columns_alone_and_among_others(
    rows: list[tuple[float, ...]], points: list[tuple[float, float]]
) -> None:
    matrix, queries = np.array(rows), np.array(points)
    statistics, _ = _fit(matrix)
    together = _columns(statistics, queries)
    assert np.isfinite(together).all()
    for row, point in enumerate(queries):
        fresh, _ = _fit(matrix)
        assert _same(_columns(fresh, point[None])[0], together[row])
        assert _same(_columns(statistics, point[None])[0], together[row])


def test_threads_get_the_columns_of_their_own_query_points() -> None:
    town = _town(3000)
    statistics, _ = _fit(town)
    random = np.random.default_rng(3)
    batches = [town[random.integers(0, 3000, size), :2] for size in random.integers(1, 900, 40)]
    batches += [batch + random.normal(0, 0.1, batch.shape) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(partial(_columns, statistics), batches))
    fresh, _ = _fit(town)
    for batch, result in zip(batches, results, strict=True):
        assert _same(_columns(fresh, batch[-1:])[0], result[-1])
    alone, _ = _fit(town)
    assert _same(_columns(alone, np.concatenate(batches)), np.concatenate(results))


@pytest.mark.parametrize("point", [(0.0, 90.0), (180.0, -90.0), (1e300, -1e300), (0.0, 0.0)])
def test_a_distant_query_point_has_finite_columns(point: tuple[float, float]) -> None:
    statistics, _ = _fit(_town())
    assert np.isfinite(_columns(statistics, np.array([point]))).all()


def test_both_zeros_are_the_same_coordinate() -> None:
    town = _town(40) - [-118.0, 34.0, 0, 0]
    statistics, _ = _fit(town)
    other, _ = _fit(town)
    columns = _columns(statistics, np.zeros((1, 2)))
    assert columns.tolist() == _columns(other, -np.zeros((1, 2))).tolist()


def test_an_undefined_ratio_to_neighbours_is_zero() -> None:
    town = _town()
    town[:, 3] = 0.0
    statistics, columns = _fit(town)
    by_rooms = statistics.columns.index("price of 30 nearest, by rooms")
    assert not columns[:, by_rooms].any()
    assert not _columns(statistics, town[:, :2])[:, by_rooms].any()


def test_without_covariates_there_are_no_ratios() -> None:
    town = _town()
    statistics, columns = NeighbourStatistics.fit_transform(("price",), town[:, :2], town[:, 2:3])
    assert statistics.columns[-1] == "distance to neighbour 30"
    assert np.isfinite(columns).all()
    found = np.full((9, len(statistics.columns)), np.nan)
    statistics.write(town[:9, :2], np.empty((9, 0)), found)
    assert np.isfinite(found).all()


def test_no_query_points_have_no_columns() -> None:
    statistics, _ = _fit(_town())
    assert _columns(statistics, np.empty((0, 2))).shape == (
        0,
        len(statistics.columns),
    )


def test_one_row_has_no_neighbours() -> None:
    with pytest.raises(InvalidData, match="allowed: 2 rows or more"):
        _fit(_town(1))


@given(ROWS, POINTS)
def test_statistics_are_read_back_from_their_bytes(
    rows: list[tuple[float, ...]], points: list[tuple[float, float]]
) -> None:
    statistics, _ = _fit(np.array(rows))
    again = NeighbourStatistics.from_bytes(NAMES, statistics.to_bytes())
    assert again.to_bytes() == statistics.to_bytes()
    assert _same(_columns(again, np.array(points)), _columns(statistics, np.array(points)))


def _file(array: NDArray[np.generic], *, pickled: bool = False) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


SOUND = _file(np.ones((5, 4)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04",
        SOUND[:20],
        SOUND[:-1],
        SOUND + b"\0",
        SOUND.replace(b"(5, 4)", b"(9, 4)"),
        SOUND.replace(b"(5, 4)", b"(-5,4)"),
        SOUND.replace(b"(5, 4)", b"open()"),
        _file(np.ones((5, 3))),
        _file(np.ones((1, 4))),
        _file(np.ones((0, 4))),
        _file(np.ones(4)),
        _file(np.asfortranarray(np.ones((5, 4)))),
        _file(np.ones((5, 4), dtype=">f8")),
        _file(np.ones((5, 4), dtype=np.float32)),
        _file(np.full((5, 4), np.nan)),
        _file(np.full((5, 4), np.inf)),
        _file(np.array([[object()] * 4] * 5), pickled=True),
    ],
)
def test_another_file_is_rejected(content: bytes) -> None:
    with pytest.raises(ArtefactRejected, match=r"^neighbours\.npy"):
        NeighbourStatistics.from_bytes(NAMES, content)
