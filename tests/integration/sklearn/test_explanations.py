"""Explanations on the reference data, by the estimators themselves and from first principles."""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest

from adapters.sklearn.sklearn_explainers import SklearnExplainers, TreeExplainer
from adapters.sklearn.sklearn_learner import SklearnLearner
from adapters.sklearn.skops_file import dump, load
from domain.data.feature import Vector
from domain.errors import NotSupported
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec
from tests.integration.contracts.rows import labelled
from tests.integration.sklearn.conftest import Housing
from tests.support.samples import SCHEMA

# A hundredth of the trees of the default: an explanation takes time for each of them.
FEWER = {
    Estimator.DUMMY: {},
    Estimator.LINEAR: {},
    Estimator.RIDGE: {},
    Estimator.TREE: {},
    Estimator.RANDOM_FOREST: {"n_estimators": 2},
    Estimator.HIST_GRADIENT_BOOSTING: {"max_iter": 30},
}


@pytest.mark.parametrize("kind", Estimator)
def test_contributions_add_up_to_within_a_cent_on_every_hold_out_row(
    housing: Housing, kind: Estimator
) -> None:
    spec = TrainingSpec(kind, FEWER[kind]).for_schema(housing.schema)
    training, holdout = housing.rows.training, housing.rows.holdout.matrix
    trained = SklearnLearner().fit(spec, housing.schema, training.matrix, training.target)
    encoding = FeatureEncoding.from_files(housing.schema, trained.files)
    explainer = SklearnExplainers().load(encoding, trained.files)
    explained = explainer.explain(encoding.transform(holdout))
    sums = explained.base + explained.contributions.sum(axis=1)
    assert np.max(np.abs(sums - trained.predictor.predict(holdout))) < 0.01


def test_a_tree_is_explained_by_shapley_values_from_first_principles() -> None:
    """Shapley values by their definition, where a column that is left out follows the rows."""
    spec = TrainingSpec(Estimator.TREE, {"max_depth": 3}, features=FeatureSet.PLAIN)
    trained = SklearnLearner().fit(spec, SCHEMA, *labelled())
    encoding = FeatureEncoding.from_files(SCHEMA, trained.files)
    explainer = SklearnExplainers().load(encoding, trained.files)
    assert isinstance(explainer, TreeExplainer)
    tree = load(trained.files["pipeline.skops"]).tree_
    for row in labelled()[0][:5]:
        columns = encoding.transform(row[np.newaxis])[0]
        count = len(columns)
        used = sorted({int(c) for c in tree.feature if c >= 0})
        values = np.zeros(count)
        for column in used:
            others = [each for each in used if each != column]
            for size in range(len(others) + 1):
                weight = factorial(size) * factorial(len(used) - size - 1) / factorial(len(used))
                for known in combinations(others, size):
                    gain = _expected(tree, columns, {*known, column}, 0)
                    values[column] += weight * (gain - _expected(tree, columns, {*known}, 0))
        raw = explainer.shap.shap_values(columns[np.newaxis], check_additivity=False)[0]
        assert raw == pytest.approx(values, abs=1e-9)


def _expected(tree: Any, columns: Vector, known: set[int], node: int) -> float:
    column = int(tree.feature[node])
    if column < 0:
        return float(tree.value[node].ravel()[0])
    left, right = int(tree.children_left[node]), int(tree.children_right[node])
    if column in known:
        below = np.float32(columns[column]) <= tree.threshold[node]
        return _expected(tree, columns, known, left if below else right)
    weights = [tree.weighted_n_node_samples[child] for child in (left, right)]
    parts = [_expected(tree, columns, known, child) for child in (left, right)]
    return float(np.average(parts, weights=weights))


def test_another_kind_of_estimator_is_not_supported() -> None:
    from sklearn.linear_model import Lasso

    trained = SklearnLearner().fit(TrainingSpec(Estimator.RIDGE), SCHEMA, *labelled())
    other = Lasso().fit([[1.0], [2.0]], [1.0, 2.0])
    encoding = FeatureEncoding.from_files(SCHEMA, trained.files)
    with pytest.raises(NotSupported, match=r"models of Lasso cannot be explained"):
        SklearnExplainers().load(encoding, {**trained.files, "pipeline.skops": dump(other)})
