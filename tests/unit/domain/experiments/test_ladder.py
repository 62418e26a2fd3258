from dataclasses import replace
from pathlib import Path

import pytest

from adapters.formats.specification_toml import read_specification
from domain.data.schema import Coordinates
from domain.data.split import Split
from domain.errors import Misconfigured
from domain.experiments.ladder import CHAMPION, Plan, key, ladder
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec
from tests.support.houses import SCHEMA

MAPPED = replace(SCHEMA, coordinates=Coordinates("age", "rooms"))


def test_the_ladder_goes_from_the_simplest_model_to_the_champion() -> None:
    tuned = TrainingSpec(parameters={"max_iter": 7})
    assert [step.name for step in ladder(MAPPED, tuned)] == [
        *("dummy", "linear", "ridge", "tree", "random_forest", "hist_gradient_boosting", "spatial"),
        CHAMPION,
    ]
    assert ladder(MAPPED, tuned)[-1].spec == replace(tuned, features=FeatureSet.SPATIAL)


def test_without_coordinates_there_is_no_spatial_step() -> None:
    names = [step.name for step in ladder(SCHEMA, TrainingSpec())]
    assert names[-1] == "hist_gradient_boosting"
    assert "spatial" not in names


def test_a_champion_that_is_a_step_already_is_not_repeated() -> None:
    names = [step.name for step in ladder(SCHEMA, TrainingSpec(Estimator.RIDGE))]
    assert CHAMPION not in names


def test_every_step_has_the_split_of_the_champion() -> None:
    split = Split(0.3, 7)
    steps = ladder(MAPPED, TrainingSpec(split=split))
    assert {step.spec.split for step in steps} == {split}


def test_the_search_has_folds_of_its_own() -> None:
    plan = Plan(seed=2**32 - 1)
    assert plan.search_folding != plan.folding
    assert plan.search_folding.seed == 0


@pytest.mark.parametrize("budget", [0, 1001])
def test_an_impossible_budget_is_refused(budget: int) -> None:
    with pytest.raises(Misconfigured, match=f"budget: {budget} is not from 1 to 1000"):
        Plan(budget=budget)


def test_a_key_depends_on_the_facts_and_not_on_their_order() -> None:
    assert key("cv", a=1, b=[2]) == key("cv", b=[2], a=1)
    assert len({key("cv", a=1), key("cv", a=2), key("trial", a=1)}) == 3


def test_what_is_committed_for_the_reference_schema_can_be_trained() -> None:
    path = Path(__file__).parents[4] / "data" / "housing.champion.toml"
    spec = read_specification(path)
    assert spec is not None
    assert spec.for_schema(MAPPED).features is FeatureSet.SPATIAL
    assert spec.estimator is Estimator.HIST_GRADIENT_BOOSTING
