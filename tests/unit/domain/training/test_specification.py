import json

import pytest

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Schema, Target
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec


def test_the_default_is_gradient_boosting_on_four_fifths_with_seed_42() -> None:
    assert TrainingSpec().to_mapping() == {
        "estimator": "hist_gradient_boosting",
        "parameters": {},
        "features": None,
        "holdout": 0.2,
        "validation": 0.0,
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


AXES = (Feature("x", Kind.NUMBER), Feature("y", Kind.NUMBER))
MAP = Schema("map", Target("price"), AXES, coordinates=Coordinates("y", "x"))
LIST = Schema("list", Target("price"), AXES)


@pytest.mark.parametrize(
    ("estimator", "schema", "asked", "settled"),
    [
        (Estimator.HIST_GRADIENT_BOOSTING, MAP, None, FeatureSet.SPATIAL),
        (Estimator.HIST_GRADIENT_BOOSTING, LIST, None, FeatureSet.PLAIN),
        (Estimator.HIST_GRADIENT_BOOSTING, MAP, FeatureSet.PLAIN, FeatureSet.PLAIN),
        (Estimator.RIDGE, MAP, None, FeatureSet.PLAIN),
        (Estimator.RIDGE, MAP, FeatureSet.SPATIAL, FeatureSet.SPATIAL),
        (Estimator.RIDGE, LIST, FeatureSet.PLAIN, FeatureSet.PLAIN),
    ],
)
def test_features_follow_from_estimator_and_schema_unless_they_are_said(
    estimator: Estimator, schema: Schema, asked: FeatureSet | None, settled: FeatureSet
) -> None:
    spec = TrainingSpec(estimator, {"a": 1}, Split(0.3), asked).for_schema(schema)
    assert spec == TrainingSpec(estimator, {"a": 1}, Split(0.3), settled)
    assert spec.for_schema(schema) == spec
    assert spec.to_mapping()["features"] == settled.value


def test_spatial_features_need_coordinates() -> None:
    with pytest.raises(
        Misconfigured, match=r"schema 'list' has no \[coordinates\]; allowed: plain"
    ):
        TrainingSpec(features=FeatureSet.SPATIAL).for_schema(LIST)
