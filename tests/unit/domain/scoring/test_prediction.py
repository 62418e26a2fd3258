import numpy as np

from domain.scoring.prediction import non_finite


def test_finite_numbers_are_answers() -> None:
    assert non_finite(np.array([])) == ()
    assert non_finite(np.array([0.0, -1e308, 5e-324])) == ()


def test_rows_without_a_finite_number_are_named() -> None:
    found = non_finite(np.array([1.0, np.inf, 2.0, np.nan, -np.inf]))
    assert [violation.row for violation in found] == [1, 3, 4]
    assert {violation.problem for violation in found} == {"has no finite prediction"}
