import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from adapters.formats.experiment_results import decode_result, encode_result
from application.experiments.run_experiments import RESULTS
from application.experiments.try_seeds import SEEDS
from domain.canonical_json import json_value
from domain.experiments.results import ExperimentResults, SeedResults
from domain.training.cross_validation import CrossValidation
from tests.support.laboratory import MAPPED, Laboratory

FOUND = CrossValidation(
    {"alpha": 1.0, "depth": None}, (1.0, 2.0), (0.1, 0.2), 9, 3.5, np.array([1.0, 2.0])
)


@pytest.fixture(scope="module")
def document() -> Mapping[str, Any]:
    return Laboratory().run(schema=MAPPED)


def test_a_cross_validation_is_read_as_it_was_written() -> None:
    again = decode_result(encode_result(FOUND), CrossValidation)
    assert again is not None
    assert json_value(again) == json_value(FOUND)
    assert again.rmse(np.array([1.0, 2.5])) == pytest.approx(0.5 / np.sqrt(2))


@pytest.mark.parametrize("key", ["scores", "size", "predictions", "other"])
def test_a_document_of_another_form_counts_as_missing(key: str) -> None:
    changed = {**json_value(FOUND), key: "what"}
    assert decode_result(json.dumps(changed).encode(), CrossValidation) is None


def test_results_are_read_as_they_were_written(document: Mapping[str, Any]) -> None:
    again = decode_result(json.dumps(document).encode(), ExperimentResults)
    assert again is not None
    assert json.loads(encode_result(again)) == document
    assert again.chosen_step.name == document["chosen"]


def test_seeds_are_read_as_they_were_written() -> None:
    lab = Laboratory()
    document = lab.seeds(0, 1)
    again = lab.results.get(SEEDS, SeedResults)
    assert json_value(again) == document
    assert lab.results.get(RESULTS, ExperimentResults) is None


def test_the_keys_of_documents_stay(document: Mapping[str, Any]) -> None:
    step = document["steps"][1]
    assert {*document["plan"]} == {"holdout", "seed", "folds", "budget", "search_folds"}
    assert {"name", "unit"} <= {*document["target"]}
    assert {*document["trials"][0]} == {"parameters", "rmse"}
    assert {*step["verdict"]} == {"taken", "words", "against", "difference"}
    assert {*step["verdict"]["difference"]} == {"estimate", "low", "high"}
    training = {"estimator", "parameters", "features", "holdout", "validation", "seed"}
    assert {*step["training"]} == {*document["specification"]} == training


def test_a_document_of_an_earlier_release_is_read(document: Mapping[str, Any]) -> None:
    target = {name: document["target"][name] for name in ("name", "unit")}
    earlier = json.dumps({**document, "target": target}).encode()
    assert decode_result(earlier, ExperimentResults) is not None
