import numpy as np
import pytest

from domain.data.feature import Vector
from domain.experiments.step_selection import select_step
from domain.training.cross_validation import CrossValidation

TARGET = np.random.default_rng(0).normal(100, 20, 400)


def found(noise: float, row_us: float = 10.0, seed: int = 1) -> CrossValidation:
    """Return predictions with normal errors of this standard deviation."""
    errors: Vector = noise * np.random.default_rng(seed).normal(size=400)
    return CrossValidation({}, (noise,), (1.0,), 100, row_us, TARGET + errors)


def test_the_first_step_is_taken() -> None:
    decision = select_step(found(5), None, TARGET)
    assert decision.taken
    assert decision.reason.startswith("taken: the first step")
    assert decision.difference is None


def test_a_step_with_significantly_lower_error_is_taken_and_its_cost_reported() -> None:
    decision = select_step(found(2, 14), ("tree", found(8)), TARGET, "USD")
    assert decision.taken
    assert decision.reason.startswith("taken: lowers the RMSE of tree by 5.48 USD (95% interval ")
    assert decision.reason.endswith("at 4 µs more per row")
    assert decision.against == "tree"


def test_a_step_with_significantly_higher_error_is_refused() -> None:
    decision = select_step(found(8, 6), ("tree", found(2)), TARGET)
    assert not decision.taken
    assert decision.reason.startswith(
        "refused: raises the RMSE of tree by 5.48 (95% interval 5.07 to 5.91)"
    )
    assert decision.reason.endswith("at 4 µs less per row")


def test_a_step_without_significant_difference_is_refused() -> None:
    decision = select_step(found(5, seed=3), ("tree", found(5)), TARGET)
    assert not decision.taken
    assert "not significantly different from tree" in decision.reason
    assert decision.reason.endswith("includes zero")
    change = decision.difference
    assert change is not None
    assert change.low < 0 < change.high


def test_equal_predictions_are_reported() -> None:
    decision = select_step(found(5), ("tree", found(5, 10.5)), TARGET)
    assert (decision.taken, decision.reason) == (
        False,
        "refused: its errors equal those of tree, row by row",
    )


@pytest.mark.parametrize("scale", [1.0, 0.01, 100.0])
def test_what_is_taken_does_not_depend_on_the_unit(scale: float) -> None:
    def scaled(one: CrossValidation) -> CrossValidation:
        return CrossValidation({}, one.scores, (1.0,), 100, 10.0, one.predictions * scale)

    decision = select_step(scaled(found(4)), ("tree", scaled(found(5))), TARGET * scale)
    assert decision.taken
