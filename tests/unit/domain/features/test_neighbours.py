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
from domain.features.neighbours import NeighbourStatistics

NAMES = ("price", "rooms")
# A lattice, on which many share a place and many are equally far away.
SHARES = (1.0, 0.5, 0.01)
DEGREES = st.one_of(st.integers(-3, 3).map(float), st.floats(-180, 180))
ROWS = st.lists(
    st.tuples(DEGREES, DEGREES, st.integers(1, 9).map(float), st.floats(-5, 5)),
    min_size=2,
    max_size=45,
)
PLACES = st.lists(st.tuples(DEGREES, DEGREES), min_size=1, max_size=12)


def _learn(rows: Matrix, *shares: float) -> tuple[NeighbourStatistics, Matrix]:
    return NeighbourStatistics.learn(NAMES, rows[:, :2], rows[:, 2:], shares or (1.0,))


def _describe(neighbour_statistics: NeighbourStatistics, places: Matrix) -> Matrix:
    """Return the columns for rows with as many rooms as degrees of longitude."""
    columns = np.full((len(places), len(neighbour_statistics.columns)), np.nan)
    neighbour_statistics.describe(places, places[:, [0, 0]], columns)
    return columns


def _town(count: int = 400, seed: int = 0) -> Matrix:
    """Return rows of longitude, latitude, price and rooms; places are shared by some."""
    random = np.random.default_rng(seed)
    places = np.array([-118.0, 34.0]) + random.normal(0, 0.2, (count, 2)).round(2)
    return np.column_stack([places, random.uniform(1, 5, (count, 2))])


def _by_hand(
    rows: Matrix, place: NDArray[np.float64], own: float, everybody: Matrix
) -> dict[str, float]:
    """Return some columns of a row with `own` rooms, by the definition."""
    scale = round(max(np.cos(np.radians(np.median(rows[:, 1]))), 0.01), 3)
    distances = np.hypot((rows[:, 0] - place[0]) * scale, rows[:, 1] - place[1])
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
        "price of 30 nearest, along rooms": _along(rooms, price, weights, own, everybody[:, 3]),
        "place along 30 degrees": place @ [np.sqrt(3) / 2, 0.5],
    }


def _along(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    own: float,
    everybody: NDArray[np.float64],
) -> float:
    """Return the weighted regression line of y on x, somewhat flatter, at `own`."""
    covariance = np.cov(np.stack([x, y]), aweights=weights, ddof=0)
    slope = covariance[0, 1] / (covariance[0, 0] + 0.05 * np.var(everybody))
    return float(np.average(y, weights=weights) + slope * (own - np.average(x, weights=weights)))


def _same(one: Matrix, other: Matrix) -> bool:
    return one.tobytes() == other.tobytes()


def test_the_columns_are_what_their_names_say() -> None:
    rows = _town()
    rows[:, :2] += np.random.default_rng(1).normal(0, 1e-4, (400, 2))  # so that there are no ties
    neighbour_statistics, of_training_rows = _learn(rows)
    asked = np.array([-117.93, 34.06])
    told = dict(
        zip(
            neighbour_statistics.columns,
            _describe(neighbour_statistics, asked[None])[0],
            strict=True,
        )
    )
    expected = _by_hand(rows, asked, asked[0], rows)
    assert {name: told[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    told = dict(zip(neighbour_statistics.columns, of_training_rows[7], strict=True))
    expected = _by_hand(np.delete(rows, 7, axis=0), rows[7, :2], rows[7, 3], rows)
    assert {name: told[name] for name in expected} == pytest.approx(expected, rel=1e-6)


@given(ROWS, st.data())
def test_a_row_does_not_see_its_own_price(
    rows: list[tuple[float, ...]], data: st.DataObject
) -> None:
    matrix = np.array(rows)
    changed = matrix.copy()
    row = data.draw(st.integers(0, len(rows) - 1))
    changed[row, 2] = data.draw(st.floats(-1e9, 1e9))
    before, after = _learn(matrix, *SHARES)[1], _learn(changed, *SHARES)[1]
    assert before.shape == (len(SHARES) * len(rows), before.shape[1])
    for times in range(len(SHARES)):
        at = times * len(rows) + row
        assert _same(before[at], after[at])


def test_a_row_in_a_crowd_does_not_see_its_own_price() -> None:
    crowd = _town(80)
    crowd[:70, :2] = crowd[0, :2]
    for row in (0, 35, 69, 75):
        changed = crowd.copy()
        changed[row, 2] = 1e6
        before, after = _learn(crowd, *SHARES)[1], _learn(changed, *SHARES)[1]
        for times in range(len(SHARES)):
            assert _same(before[times * 80 + row], after[times * 80 + row])
    crowd[0, 2] = 1e6
    assert _learn(crowd)[1][1:70].max() > 1e4


def test_rows_are_told_as_if_a_share_of_the_others_were_there() -> None:
    """Where half are there, the same number of neighbours needs about twice the area."""
    town = _town(2000)
    town[:, :2] += np.random.default_rng(4).normal(0, 0.05, (2000, 2))
    neighbour_statistics, columns = _learn(town, 1.0, 0.5)
    assert _same(columns[:2000], _learn(town)[1])
    farthest = neighbour_statistics.columns.index("distance to neighbour 30")
    all_there, half_there = columns[:2000, farthest], columns[2000:, farthest]
    assert (half_there >= all_there).all()
    assert np.median(half_there / all_there) == pytest.approx(np.sqrt(2), rel=0.05)
    assert _same(columns, _learn(town, 1.0, 0.5)[1])


def test_from_shuffled_prices_there_is_nothing_to_learn() -> None:
    """A row's own price would show in the columns: they would go up and down with it."""
    town = _town(2000)
    prices = np.random.default_rng(2).permutation(town[:, 2])
    town[:, 2] = prices
    neighbour_statistics, columns = _learn(town)
    for column in ("price of the nearest", "price, weighted mean of 5 nearest"):
        told = columns[:, neighbour_statistics.columns.index(column)]
        assert abs(np.corrcoef(told, prices)[0, 1]) < 0.1
    leaking = _describe(neighbour_statistics, town[:, :2])
    told = leaking[:, neighbour_statistics.columns.index("price, weighted mean of 5 nearest")]
    assert np.corrcoef(told, prices)[0, 1] > 0.5


@given(ROWS, PLACES)
def test_a_place_is_described_to_the_last_bit_as_on_its_own(
    rows: list[tuple[float, ...]], places: list[tuple[float, float]]
) -> None:
    matrix, asked = np.array(rows), np.array(places)
    neighbour_statistics, _ = _learn(matrix)
    together = _describe(neighbour_statistics, asked)
    assert np.isfinite(together).all()
    for row, place in enumerate(asked):
        fresh, _ = _learn(matrix)
        assert _same(_describe(fresh, place[None])[0], together[row])
        assert _same(_describe(neighbour_statistics, place[None])[0], together[row])


def test_many_places_on_many_threads_are_described_like_one_on_one() -> None:
    town = _town(3000)
    neighbour_statistics, _ = _learn(town)
    random = np.random.default_rng(3)
    questions = [town[random.integers(0, 3000, size), :2] for size in random.integers(1, 900, 40)]
    questions += [question + random.normal(0, 0.1, question.shape) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(partial(_describe, neighbour_statistics), questions))
    fresh, _ = _learn(town)
    for question, answer in zip(questions, answers, strict=True):
        assert _same(_describe(fresh, question[-1:])[0], answer[-1])
    alone, _ = _learn(town)
    assert _same(_describe(alone, np.concatenate(questions)), np.concatenate(answers))


@pytest.mark.parametrize("place", [(0.0, 90.0), (180.0, -90.0), (1e300, -1e300), (0.0, 0.0)])
def test_a_place_far_away_is_described_by_those_nearest_to_it(place: tuple[float, float]) -> None:
    neighbour_statistics, _ = _learn(_town())
    assert np.isfinite(_describe(neighbour_statistics, np.array([place]))).all()


def test_the_two_zeros_are_one_place() -> None:
    town = _town(40) - [-118.0, 34.0, 0, 0]
    neighbour_statistics, _ = _learn(town)
    there, _ = _learn(town)
    here = _describe(neighbour_statistics, np.zeros((1, 2)))
    assert here.tolist() == _describe(there, -np.zeros((1, 2))).tolist()


def test_a_rate_that_cannot_be_told_is_zero() -> None:
    town = _town()
    town[:, 3] = 0.0
    neighbour_statistics, columns = _learn(town)
    by_rooms = neighbour_statistics.columns.index("price of 30 nearest, by rooms")
    assert not columns[:, by_rooms].any()
    assert not _describe(neighbour_statistics, town[:, :2])[:, by_rooms].any()


def test_where_only_the_target_is_told_there_are_no_rates() -> None:
    town = _town()
    neighbour_statistics, columns = NeighbourStatistics.learn(("price",), town[:, :2], town[:, 2:3])
    assert neighbour_statistics.columns[-1] == "distance to neighbour 30"
    assert np.isfinite(columns).all()
    described = np.full((9, len(neighbour_statistics.columns)), np.nan)
    neighbour_statistics.describe(town[:9, :2], np.empty((9, 0)), described)
    assert np.isfinite(described).all()


def test_no_places_have_no_description() -> None:
    neighbour_statistics, _ = _learn(_town())
    assert _describe(neighbour_statistics, np.empty((0, 2))).shape == (
        0,
        len(neighbour_statistics.columns),
    )


def test_one_row_has_no_neighbours() -> None:
    with pytest.raises(InvalidData, match="allowed: 2 rows or more"):
        _learn(_town(1))


@given(ROWS, PLACES)
def test_surroundings_come_back_from_their_bytes(
    rows: list[tuple[float, ...]], places: list[tuple[float, float]]
) -> None:
    neighbour_statistics, _ = _learn(np.array(rows))
    again = NeighbourStatistics.from_bytes(NAMES, neighbour_statistics.to_bytes())
    assert again.to_bytes() == neighbour_statistics.to_bytes()
    assert _same(
        _describe(again, np.array(places)), _describe(neighbour_statistics, np.array(places))
    )


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
def test_what_is_not_such_a_file_is_rejected(content: bytes) -> None:
    with pytest.raises(ArtefactRejected, match=r"^neighbours\.npy"):
        NeighbourStatistics.from_bytes(NAMES, content)
