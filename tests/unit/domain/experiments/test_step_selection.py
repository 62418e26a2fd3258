import numpy as np
import pytest

from domain.data.feature import Vector
from domain.experiments.step_selection import judge
from domain.training.cross_validation import CrossValidation

TARGET = np.random.default_rng(0).normal(100, 20, 400)


def found(noise: float, row_us: float = 10.0, seed: int = 1) -> CrossValidation:
    """Return predictions that are off by so much."""
    errors: Vector = noise * np.random.default_rng(seed).normal(size=400)
    return CrossValidation({}, (noise,), (1.0,), 100, row_us, TARGET + errors)


def test_the_first_step_is_taken() -> None:
    verdict = judge(found(5), None, TARGET)
    assert verdict.taken
    assert verdict.words.startswith("taken: the first step")
    assert verdict.to_mapping()["difference"] is None


def test_a_step_that_surely_errs_less_is_taken_and_its_cost_told() -> None:
    verdict = judge(found(2, 14), ("tree", found(8)), TARGET, "USD")
    assert verdict.taken
    assert verdict.words.startswith("taken: lowers the RMSE of tree by 5.48 USD (95% interval ")
    assert verdict.words.endswith("at 4 µs more per row")
    assert verdict.against == "tree"


def test_a_step_that_surely_errs_more_is_refused() -> None:
    verdict = judge(found(8, 6), ("tree", found(2)), TARGET)
    assert not verdict.taken
    assert verdict.words.startswith(
        "refused: raises the RMSE of tree by 5.48 (95% interval 5.07 to 5.91)"
    )
    assert verdict.words.endswith("at 4 µs less per row")


def test_a_difference_that_may_be_chance_is_refused() -> None:
    verdict = judge(found(5, seed=3), ("tree", found(5)), TARGET)
    assert not verdict.taken
    assert "cannot be told from tree" in verdict.words
    assert verdict.words.endswith("includes zero")
    change = verdict.to_mapping()["difference"]
    assert change["low"] < 0 < change["high"]


def test_the_same_answers_are_called_so() -> None:
    verdict = judge(found(5), ("tree", found(5, 10.5)), TARGET)
    assert (verdict.taken, verdict.words) == (
        False,
        "refused: it answers like tree, row by row",
    )


@pytest.mark.parametrize("scale", [1.0, 0.01, 100.0])
def test_what_is_taken_does_not_depend_on_the_unit(scale: float) -> None:
    def scaled(one: CrossValidation) -> CrossValidation:
        return CrossValidation({}, one.scores, (1.0,), 100, 10.0, one.predictions * scale)

    verdict = judge(scaled(found(4)), ("tree", scaled(found(5))), TARGET * scale)
    assert verdict.taken
