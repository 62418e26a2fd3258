import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidData, Misconfigured
from domain.training.cross_validation import MOST_FOLDS, Folding, growing


@given(st.integers(2, MOST_FOLDS), st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_every_row_is_judged_once_by_a_model_that_did_not_learn_from_it(
    count: int, more: int, seed: int
) -> None:
    rows = 2 * count + more
    folds = Folding(count, seed).of(rows)
    judged = np.concatenate([fold.holdout for fold in folds])
    assert sorted(judged.tolist()) == list(range(rows))
    for fold in folds:
        assert sorted([*fold.training.tolist(), *fold.holdout.tolist()]) == list(range(rows))
    sizes = [len(fold.holdout) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_the_seed_decides_who_is_where() -> None:
    one, same, other = (Folding(5, seed).of(100)[0].holdout.tolist() for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (21, 0), (5, -1), (5, 2**32)])
def test_impossible_folds_are_refused(count: int, seed: int) -> None:
    with pytest.raises(Misconfigured):
        Folding(count, seed)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InvalidData, match="9 rows are too few for 5 folds: 10 are needed"):
        Folding(5).of(9)


@given(st.integers(4, 300))
def test_a_learning_curve_grows_to_the_whole_fold(rows: int) -> None:
    fold = Folding(2).of(rows)[0]
    folds = growing(fold)
    sizes = [len(part.training) for part in folds]
    assert sizes == sorted({*sizes})
    assert folds[-1].training.tolist() == fold.training.tolist()
    assert all(part.holdout is fold.holdout for part in folds)
