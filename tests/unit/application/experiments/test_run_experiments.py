from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from application.data.labelled_rows import read_labelled
from application.experiments.run_experiments import RESULTS
from application.experiments.try_seeds import SEEDS
from application.training.cross_validate import row_time
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.data.split import Split
from domain.errors import InvalidData, Misconfigured
from domain.experiments.ladder import SEARCH, SPACE
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.data import MemorySource
from tests.fakes.tracking import MemoryResults
from tests.support.houses import SCHEMA, source
from tests.support.laboratory import MAPPED, PLAN, Laboratory


@pytest.fixture
def lab() -> Laboratory:
    return Laboratory()


def names(document: Mapping[str, Any]) -> list[str]:
    return [step["name"] for step in document["steps"]]


def test_every_step_is_decided_on_and_one_is_chosen(lab: Laboratory) -> None:
    document = lab.run()
    assert names(document) == [
        *("dummy", "linear", "ridge", "tree", "random_forest", "hist_gradient_boosting"),
        SEARCH,
    ]
    verdicts = {step["name"]: step["verdict"] for step in document["steps"]}
    assert [name for name, verdict in verdicts.items() if verdict["taken"]] == ["dummy", "linear"]
    assert "errors equal those of linear" in verdicts["ridge"]["words"]
    assert document["chosen"] == "linear"
    assert document["confirmed"] is False
    assert document["rows"] == 48
    assert lab.results.document(RESULTS) == document


def test_the_holdout_is_not_used(lab: Laboratory) -> None:
    lab.run()
    target = source().table.column("price")
    holdout = Split().positions(60)[1]
    changed = np.array(target, dtype=np.float64)
    changed[holdout] += 1e6
    other = Laboratory()
    spoiled = source(changed={"price": changed})
    found = other.run(data=MemorySource(spoiled.table, source().version))
    assert found["steps"] != []
    assert lab.results.texts.keys() == other.results.texts.keys()
    assert [s["scores"] for s in found["steps"]] == [step["scores"] for step in lab.run()["steps"]]
    assert max(rows for _, rows in lab.learner.fitted) <= 48


def test_a_ladder_with_coordinates_has_a_spatial_step(lab: Laboratory) -> None:
    full = source(changed={"age": np.linspace(1.0, 99.0, 60)})
    document = lab.run(data=full, schema=MAPPED)
    assert names(document)[-2:] == ["spatial", SEARCH]
    assert document["examined"]["map"] is not None


def test_a_champion_other_than_boosting_is_not_searched_from(lab: Laboratory) -> None:
    document = lab.run(TrainingSpec(Estimator.LINEAR))
    assert (names(document)[-1], document["trials"]) == ("hist_gradient_boosting", [])
    assert document["confirmed"] is True


def test_stored_results_are_not_computed_again(lab: Laboratory) -> None:
    first = lab.run()
    count = len(lab.learner.fitted)
    assert lab.run() == first
    assert len(lab.learner.fitted) == count
    assert "(stored)" in lab.told[-1]
    assert [run.params["step"] for run in lab.tracker.outer] == names(first)[:-1]


@pytest.mark.parametrize(
    ("options", "again"),
    [
        ({"fresh": True}, True),
        ({"code": "other"}, True),
        ({"data": source(seed=3)}, True),
        ({"only": ["dummy"]}, False),
    ],
)
def test_results_are_computed_again_for_other_code_or_data(
    lab: Laboratory, options: dict[str, Any], again: bool
) -> None:
    lab.run()
    count = len(lab.learner.fitted)
    lab.run(**options)
    assert (len(lab.learner.fitted) > count) == again


def test_an_interrupted_run_resumes(lab: Laboratory) -> None:
    whole = Laboratory()
    expected = whole.run()
    lab.run(only=["dummy", "linear"])
    before = len(lab.learner.fitted)
    found = lab.run()
    assert [step["scores"] for step in found["steps"]] == [
        step["scores"] for step in expected["steps"]
    ]
    assert len(lab.learner.fitted) - before < len(whole.learner.fitted)


def test_one_step_alone_can_be_done(lab: Laboratory) -> None:
    document = lab.run(only=["ridge"])
    assert (names(document), document["chosen"]) == (["ridge"], "ridge")


def test_an_unknown_step_is_refused_and_the_known_are_named(lab: Laboratory) -> None:
    with pytest.raises(Misconfigured, match="there is no step oracle; allowed: dummy, linear"):
        lab.run(only=["oracle"])
    assert lab.learner.fitted == []


def test_the_search_starts_at_the_champion_and_stores_its_trials(lab: Laboratory) -> None:
    document = lab.run()
    trials = document["trials"]
    assert len(trials) == PLAN.budget
    assert trials[0]["parameters"] == dict.fromkeys(SPACE, 0.05)
    assert all(trial["rmse"] >= trials[0]["rmse"] for trial in trials)
    (step,) = [step for step in document["steps"] if step["name"] == SEARCH]
    assert step["training"]["parameters"] == {}
    assert "errors equal those of" in step["verdict"]["words"]


def test_the_best_trial_is_a_step_of_its_own(lab: Laboratory) -> None:
    champion = TrainingSpec(parameters={"learning_rate": 0.12})
    document = lab.run(champion)
    (step,) = [step for step in document["steps"] if step["name"] == SEARCH]
    assert step["training"]["parameters"]["learning_rate"] < 0.12
    assert document["trials"][0]["parameters"]["learning_rate"] == 0.12


def _spoiled_in(fold: int) -> MemorySource:
    """Return the houses with other prices in the rows that a fold is evaluated on."""
    prices = np.array(source().table.column("price"), dtype=np.float64)
    training = Split().positions(60)[0]
    judged = PLAN.folding.of(48)[fold].holdout
    prices[training[judged]] += 1e5
    return MemorySource(source(changed={"price": prices}).table, source().version)


@pytest.mark.parametrize("fold", range(PLAN.folding.count))
def test_the_search_of_a_fold_does_not_use_the_rows_that_it_is_evaluated_on(
    lab: Laboratory, fold: int
) -> None:
    champion = TrainingSpec(parameters={"learning_rate": 0.12})
    plain, other = lab.run(champion), Laboratory().run(champion, _spoiled_in(fold))
    same = [a == b for a, b in zip(plain["nested"], other["nested"], strict=True)]
    assert same == [n == fold for n in range(PLAN.folding.count)]
    assert plain["trials"] != other["trials"]


def test_the_searches_of_a_fold_use_its_training_rows_only() -> None:
    lab = Laboratory()
    lab.run(only=["hist_gradient_boosting"])
    before = len(lab.learner.prices)
    lab.run(only=[SEARCH])
    target = read_labelled(source(), SCHEMA).divide(Split()).training.target
    fits = lab.learner.prices[before:]
    for number, fold in enumerate(PLAN.folding.of(48), 1):
        of_a_search = PLAN.budget * PLAN.search_folds
        made = fits[number * of_a_search : (number + 1) * of_a_search]
        assert {len(prices) for prices in made} == {len(fold.training) // PLAN.search_folds}
        seen = {price for prices in made for price in prices.tolist()}
        assert seen == {*target[fold.training].tolist()}


def test_the_model_of_each_fold_is_fitted_by_the_best_trial_of_its_search(lab: Laboratory) -> None:
    champion = TrainingSpec(parameters={"learning_rate": 0.12})
    document = lab.run(champion)
    best = [
        min(trials, key=lambda trial: float(trial["rmse"]))["parameters"]["learning_rate"]
        for trials in document["nested"]
    ]
    (step,) = [step for step in document["steps"] if step["name"] == SEARCH]
    fits = [spec for spec, rows in lab.learner.fitted if rows == 32]
    fitted = [spec.parameters["learning_rate"] for spec in fits if spec.parameters]
    assert fitted[PLAN.folding.count : 2 * PLAN.folding.count] == best
    found = min(document["trials"], key=lambda trial: float(trial["rmse"]))
    assert step["training"]["parameters"] == found["parameters"]


def test_finished_searches_are_not_repeated_after_an_interruption(
    lab: Laboratory,
) -> None:
    class Impatient(MemoryResults):
        def put(self, name: str, document: object) -> None:
            super().put(name, document)
            if sum(name.startswith("search") for name in self.texts) == 2:
                raise KeyboardInterrupt

    whole = lab.run()
    cut = Laboratory(results=Impatient())
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    kept = MemoryResults()
    kept.texts = cut.results.texts
    again = Laboratory(results=kept)
    found = again.run()
    assert (found["trials"], found["nested"]) == (whole["trials"], whole["nested"])
    assert found["chosen"] == whole["chosen"]
    assert sum("search in" in line for line in again.told) == PLAN.folding.count - 1


def test_steps_are_tracked_with_scores_costs_and_decision(lab: Laboratory) -> None:
    document = lab.run()
    run, step = lab.tracker.outer[1], document["steps"][1]
    assert (run.name, run.params["step"], run.status) == (
        "houses-experiments",
        "linear",
        "finished",
    )
    assert run.metrics["cv_rmse"] == step["rmse"]
    nested = [each for each in lab.tracker.runs if each.parent == run.id]
    assert [each.metrics["rmse"] for each in nested] == pytest.approx(step["scores"], rel=1e-12)
    assert [each.title for each in nested] == [f"{run.title}, fold {n}" for n in (1, 2, 3)]
    assert {"fit_seconds", "size_bytes", "row_us"} <= run.metrics.keys()
    assert run.tags == {"taken": "true", "verdict": step["verdict"]["words"]}


def test_the_chosen_step_is_examined(lab: Laboratory) -> None:
    examined = lab.run()["examined"]
    assert [point["rows"] for point in examined["curve"]] == [3, 6, 13, 22, 32]
    rises = [one["rise"] for one in examined["importance"]]
    assert rises == sorted(rises, reverse=True)
    assert {one["feature"] for one in examined["importance"]} == {"age", "rooms", "place"}
    assert {part["by"] for part in examined["parts"]} == {"prediction", "place"}
    assert examined["map"] is None


def test_too_few_rows_are_refused(lab: Laboratory) -> None:
    with pytest.raises(InvalidData, match="5 rows are too few for 3 folds"):
        lab.run(data=source(7))


def test_seeds_give_mean_and_standard_error_of_the_rmse(lab: Laboratory) -> None:
    document = lab.seeds(0, 1, 2)
    scores = [one["rmse"] for one in document["seeds"]]
    assert document["mean"] == pytest.approx(np.mean(scores))
    assert document["standard_error"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(3))
    assert len({*scores}) == 3
    assert document["shares"] == pytest.approx([0.64, 0.16, 0.2])
    assert {rows for _, rows in lab.learner.fitted} == {38}
    assert [spec.seed for spec, _ in lab.learner.fitted] != [42, 42, 42]
    assert lab.results.document(SEEDS) == document
    assert lab.tracker.outer[0].metrics["mean_rmse"] == document["mean"]


def test_more_seeds_do_not_compute_the_first_ones_again(lab: Laboratory) -> None:
    first = lab.seeds(0, 1)
    both = lab.seeds(0, 1, 2)
    assert both["seeds"][:2] == first["seeds"]
    assert len(lab.learner.fitted) == 3
    lab.seeds(0, 1, fresh=True)
    assert len(lab.learner.fitted) == 5


def test_one_seed_is_refused(lab: Laboratory) -> None:
    with pytest.raises(Misconfigured, match="seeds: 1 are too few; allowed: 2 or more"):
        lab.seeds(4, 4)


def test_the_time_for_a_row_is_a_median(lab: Laboratory) -> None:
    class Still:
        def predict(self, matrix: Matrix) -> Vector:
            assert len(matrix) == 1
            return np.zeros(1)

    ticks = iter(range(10_000))
    assert row_time(Still(), np.zeros((3, 2)), lambda: float(next(ticks))) == 1e6
