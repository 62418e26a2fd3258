import json

import pytest

from domain.dataset import Split
from domain.errors import Misconfigured
from domain.model import json_bytes
from domain.training import Estimator, TrainingSpec


def test_the_default_is_gradient_boosting_on_four_fifths_with_seed_42() -> None:
    assert TrainingSpec().to_mapping() == {
        "estimator": "hist_gradient_boosting",
        "parameters": {},
        "holdout": 0.2,
        "seed": 42,
    }


def test_the_order_in_which_parameters_are_given_does_not_matter() -> None:
    one = TrainingSpec(Estimator.TREE, {"max_depth": 3, "criterion": "x"}, Split(0.3, 7))
    other = TrainingSpec(Estimator.TREE, {"criterion": "x", "max_depth": 3}, Split(0.3, 7))
    assert json_bytes(one.to_mapping()) == json_bytes(other.to_mapping())
    assert json.loads(json_bytes(one.to_mapping())) == one.to_mapping()
    assert one.seed == 7


def test_parameters_cannot_be_changed_afterwards() -> None:
    given: dict[str, bool | int | float | str | None] = {"alpha": 1.0}
    spec = TrainingSpec(Estimator.RIDGE, given)
    given["alpha"] = 2.0
    assert spec.parameters == {"alpha": 1.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_no_number_is_refused_by_name(value: float) -> None:
    with pytest.raises(Misconfigured, match=rf"ridge: alpha: {value} is not a finite number"):
        TrainingSpec(Estimator.RIDGE, {"alpha": value})
