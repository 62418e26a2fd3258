"""Contributions of features: TreeSHAP for trees, coefficients for linear models.

Trees: path-dependent TreeSHAP (Lundberg, Erion and Lee 2018). The base is the mean prediction over
the training rows, by their counts in the leaves. Linear models: coefficient × (column − column of a
row with all values missing); the base is the prediction of that row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from adapters.sklearn.sklearn_learner import PIPELINE
from adapters.sklearn.skops_file import load
from application.ports import Explainer
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, NotSupported
from domain.features.encoding import FeatureEncoding
from domain.scoring.explanation import FeatureContributions, shares

_TREES = (HistGradientBoostingRegressor, RandomForestRegressor, DecisionTreeRegressor)


@dataclass(frozen=True, slots=True)
class LinearExplainer:
    """An `Explainer`: coefficient × (column − reference column), summed per feature."""

    shares: Matrix
    coefficients: Vector
    base: float
    reference: Vector

    def explain(self, columns: Matrix) -> FeatureContributions:
        parts = (columns - self.reference) * self.coefficients
        return FeatureContributions(self.base, parts @ self.shares)


@dataclass(frozen=True, slots=True)
class TreeExplainer:
    """An `Explainer` of trees; `shap` is the library's explainer of the estimator."""

    shares: Matrix
    shap: Any
    base: float

    def explain(self, columns: Matrix) -> FeatureContributions:
        if not len(columns):
            return FeatureContributions(self.base, np.empty((0, self.shares.shape[1])))
        values = self.shap.shap_values(columns, check_additivity=False)
        return FeatureContributions(self.base, values @ self.shares)


class SklearnExplainers:
    """`Explainers` for the estimators that `SklearnLearner` fits."""

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> Explainer:
        """Return the explainer of a bundle whose checksums were verified.

        Raises:
            ArtefactRejected: the files are not those of an estimator.
            NotSupported: there is no explainer for this kind of estimator.
        """
        if PIPELINE not in files:
            raise ArtefactRejected(f"the bundle has no {PIPELINE}, which explanations need")
        estimator = load(files[PIPELINE])
        if isinstance(estimator, _TREES):
            return _explain_trees(shares(encoding), estimator)
        coefficients = _coefficients(estimator, len(encoding.names))
        reference = encoding.transform(np.full((1, len(encoding.schema.features)), np.nan))
        base = float(np.ravel(estimator.predict(reference))[0])
        return LinearExplainer(shares(encoding), coefficients, base, reference[0])


def _explain_trees(shares: Matrix, estimator: Any) -> TreeExplainer:
    import shap

    explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    return TreeExplainer(shares, explainer, float(np.ravel(explainer.expected_value)[0]))


def _coefficients(estimator: Any, columns: int) -> Vector:
    if isinstance(estimator, DummyRegressor):
        return np.zeros(columns)
    if isinstance(estimator, LinearRegression | Ridge):
        return np.ravel(estimator.coef_)
    if isinstance(estimator, Pipeline):
        *before, last = (step for _, step in estimator.steps)
        if isinstance(last, LinearRegression | Ridge) and [*map(type, before)] == [StandardScaler]:
            scaled: Vector = np.ravel(last.coef_) / before[0].scale_
            return scaled
    raise NotSupported(f"models of {type(estimator).__name__} cannot be explained")
