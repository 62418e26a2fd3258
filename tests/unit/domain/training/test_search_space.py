import pytest

from domain.errors import Misconfigured
from domain.training.search_space import Dimension, Trial, best


@pytest.mark.parametrize(("low", "high", "log"), [(2, 1, False), (1, 1, False), (0, 1, True)])
def test_an_empty_dimension_is_refused(low: float, high: float, log: bool) -> None:
    with pytest.raises(Misconfigured, match="not from a lower to a higher number"):
        Dimension(low, high, log)


def test_a_dimension_knows_its_values() -> None:
    whole, real = Dimension(1, 9), Dimension(0.5, 2.0)
    assert [whole.holds(value) for value in (0, 1, 9, 10, 2.5)] == [False, True, True, False, False]
    assert [real.holds(value) for value in (0.4, 0.5, 1, 2.1)] == [False, True, True, False]


def test_the_first_of_equally_good_trials_is_the_best() -> None:
    trials = [Trial({"a": 1}, 3.0), Trial({"a": 2}, 2.0), Trial({"a": 3}, 2.0)]
    assert best(trials).parameters == {"a": 2}


def test_nothing_is_best_of_nothing() -> None:
    with pytest.raises(Misconfigured, match="allowed: a budget of 1 or more"):
        best([])
