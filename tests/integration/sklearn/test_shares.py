"""Boosting with spatial features learns from each row several times, and counts it once."""

from typing import Any

import numpy as np
import pytest

from adapters.sklearn.estimators import SHARES
from adapters.sklearn.sklearn_learner import EstimatorPredictor, SklearnLearner
from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Schema, Target
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec

SCHEMA = Schema(
    "town",
    Target("price"),
    (Feature("north", Kind.NUMBER), Feature("east", Kind.NUMBER), Feature("rooms", Kind.NUMBER)),
    coordinates=Coordinates("north", "east"),
)
ROWS = 90


def _nodes(features: FeatureSet, **parameters: Any) -> Any:
    """Return the nodes of the first tree of a model of ninety rows."""
    random = np.random.default_rng(0)
    matrix = random.uniform(1, 9, (ROWS, 3))
    parameters = {"max_iter": 1, "min_samples_leaf": 10, **parameters}
    spec = TrainingSpec(Estimator.HIST_GRADIENT_BOOSTING, parameters, features=features)
    fitted = SklearnLearner().fit(spec, SCHEMA, matrix, matrix @ [1.0, 2.0, 3.0]).predictor
    assert isinstance(fitted, EstimatorPredictor)
    return fitted.estimator._predictors[0][0].nodes


def test_each_row_is_learnt_from_once_for_each_share_and_counted_once() -> None:
    nodes = _nodes(FeatureSet.SPATIAL)
    leaves = nodes[nodes["is_leaf"] == 1]
    assert nodes["count"][0] == len(SHARES) * ROWS
    assert len(leaves) > 2
    assert leaves["count"].min() >= len(SHARES) * 10


def test_without_neighbours_each_row_is_learnt_from_once() -> None:
    nodes = _nodes(FeatureSet.PLAIN)
    assert nodes["count"][0] == ROWS
    assert 10 <= nodes["count"][nodes["is_leaf"] == 1].min() < 20


def test_a_row_by_which_to_stop_early_is_not_among_those_to_learn_from() -> None:
    assert _nodes(FeatureSet.SPATIAL, early_stopping=True)["count"][0] < ROWS


def test_a_refusal_says_what_was_asked_for() -> None:
    with pytest.raises(Misconfigured, match=r"'min_samples_leaf'.* Got -7 instead"):
        _nodes(FeatureSet.SPATIAL, min_samples_leaf=-7)
