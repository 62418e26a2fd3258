from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.schema import Matrix
from domain.features.location_cache import LocationCache


class Work:
    """Doubles keys, and remembers which it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, ...]] = []

    def __call__(self, keys: Matrix) -> Matrix:
        self.asked += [tuple(key) for key in keys.tolist()]
        return np.column_stack([keys * 2, keys.sum(axis=1)])


def _ask(memo: LocationCache, keys: Matrix) -> Matrix:
    rows = np.full((len(keys), 3), -1.0)
    memo.write(keys, rows)
    return rows


KEYS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 2)).map(lambda key: (float(key[0]), key[1] / 2)),
    max_size=25,
)


@given(st.lists(KEYS, max_size=8), st.integers(1, 12))
def test_what_is_remembered_changes_no_answer(
    asked: list[list[tuple[float, float]]], most: int
) -> None:
    memo = LocationCache(Work(), 3, most)
    for keys in asked:
        matrix = np.array(keys, dtype=np.float64).reshape(-1, 2)
        assert _ask(memo, matrix).tolist() == Work()(matrix).tolist()


def test_a_key_is_worked_out_once() -> None:
    work = Work()
    memo = LocationCache(work, 3, 4)
    keys = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    _ask(memo, keys)
    _ask(memo, keys[::-1])
    assert work.asked == [(1.0, 2.0), (3.0, 4.0)]


def test_when_there_is_no_room_all_is_let_go() -> None:
    work = Work()
    memo = LocationCache(work, 3, 2)
    for number in (1.0, 2.0, 3.0, 1.0, 3.0):
        assert _ask(memo, np.full((1, 2), number)).tolist() == [
            [2 * number, 2 * number, 2 * number]
        ]
    assert [key[0] for key in work.asked] == [1.0, 2.0, 3.0, 3.0, 1.0]


def test_a_key_that_equals_no_key_is_answered() -> None:
    memo = LocationCache(Work(), 3, 2)
    for _ in range(5):
        assert np.isnan(_ask(memo, np.full((2, 2), np.nan))).all()


@pytest.mark.parametrize("most", [3, 50, 1000])
def test_threads_get_their_own_answers(most: int) -> None:
    memo = LocationCache(Work(), 3, most)
    random = np.random.default_rng(0)
    questions = [random.integers(0, 80, (random.integers(1, 60), 2)) / 2 for _ in range(300)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(_ask, memo), questions))
    for question, answer in zip(questions, answers, strict=True):
        assert answer.tolist() == Work()(question).tolist()
