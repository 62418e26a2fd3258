import json

import pytest

from application.experiments.report_experiments import ExperimentEvidence, ReportExperiments
from domain.canonical_json import json_value
from domain.errors import NotFound
from domain.model.bundle import Bundle
from tests.support.houses import DUMMY, LINEAR, RIDGE, SpoiledStore, World, source, split_of
from tests.support.laboratory import Laboratory


def evidence(lab: Laboratory, world: World) -> ExperimentEvidence:
    return ReportExperiments(lab.results, world.load)()


def test_without_experiments_there_is_nothing_to_report() -> None:
    with pytest.raises(NotFound, match="run `modelport experiments run`"):
        evidence(Laboratory(), World())


def test_the_results_are_those_of_the_last_run() -> None:
    lab = Laboratory()
    document = lab.run()
    found = evidence(lab, World())
    assert json_value(found.results) == document
    assert found.holdout == []
    assert found.holdout_of(found.results.chosen_step) is None
    assert (found.seeds, found.uncertainty) == (None, None)


def test_every_version_on_the_same_holdout_counts_promoted_or_not() -> None:
    lab, world = Laboratory(), World()
    lab.run(LINEAR)
    for spec in (LINEAR, RIDGE, LINEAR):
        world.train(spec)
    found = evidence(lab, world)
    assert [result.model for result in found.holdout] == ["houses/1", "houses/2"]
    assert found.holdout[0].aliases == ("champion",)
    shown = found.holdout_of(found.results.chosen_step)
    assert shown is not None
    assert shown.rmse == found.holdout[0].rmse
    assert found.metrics()["holdout_rmse"] == shown.rmse


def test_other_data_and_other_splits_do_not_count() -> None:
    lab, world = Laboratory(), World()
    lab.run()
    world.train(LINEAR, source(seed=9))
    world.train(split_of(LINEAR, 0.2, 7))
    world.train(split_of(LINEAR, 0.3, 42))
    assert evidence(lab, world).holdout == []


def test_a_version_with_a_damaged_manifest_is_left_out() -> None:
    store = SpoiledStore()
    lab, world = Laboratory(), World(store)
    lab.run()
    world.train(DUMMY)
    world.train(LINEAR)
    store.spoil[1] = lambda bundle: Bundle({**bundle.files, Bundle.MANIFEST: b"{}"})
    assert [result.model for result in evidence(lab, world).holdout] == ["houses/2"]


def test_seeds_count_only_for_the_same_data() -> None:
    lab, other = Laboratory(), Laboratory()
    document = lab.seeds(0, 1)
    lab.run()
    seeds = evidence(lab, World()).seeds
    assert seeds is not None
    assert json_value(seeds) == document
    other.seeds(0, 1)
    other.run(data=source(seed=4))
    assert evidence(other, World()).seeds is None


def test_the_metrics_to_compare_are_plain_json() -> None:
    lab = Laboratory()
    document = lab.run()
    metrics = evidence(lab, World()).metrics()
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["cv_rmse"]["linear"] == document["steps"][1]["rmse"]
    assert metrics["chosen"] == "linear"
