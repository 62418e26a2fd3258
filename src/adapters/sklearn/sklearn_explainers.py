"""What each feature adds to an answer: TreeSHAP for trees, the formula itself for linear models.

Trees: path-dependent TreeSHAP (Lundberg, Erion and Lee 2018). The base is the mean answer, as the
trees know it from the training rows that reached each leaf. Linear models: coefficient times the
distance of a column from that of a row of which nothing is known, whose answer is the base.
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
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, NotSupported
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.scoring.explanation import FeatureContributions, shares

_TREES = (HistGradientBoostingRegressor, RandomForestRegressor, DecisionTreeRegressor)


@dataclass(frozen=True, slots=True)
class LinearExplainer:
    """An `Explainer` of base + Σ coefficient × (column − usual column)."""

    encoding: FeatureEncoding
    coefficients: Vector
    base: float
    usual: Vector

    def explain(self, matrix: Matrix) -> FeatureContributions:
        columns = self.encoding.transform(matrix) - self.usual
        return FeatureContributions(
            self.base, (columns * self.coefficients) @ shares(self.encoding)
        )


@dataclass(frozen=True, slots=True)
class TreeExplainer:
    """An `Explainer` of trees; `shap` is the library's explainer of the estimator."""

    encoding: FeatureEncoding
    shap: Any
    base: float

    def explain(self, matrix: Matrix) -> FeatureContributions:
        if not len(matrix):
            return FeatureContributions(self.base, np.empty(matrix.shape))
        columns = self.encoding.transform(matrix)
        values = self.shap.shap_values(columns, check_additivity=False)
        return FeatureContributions(self.base, values @ shares(self.encoding))


class SklearnExplainers:
    """`Explainers` for the estimators that `SklearnLearner` fits."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Explainer:
        """Return the explainer of a bundle whose checksums were verified.

        Raises:
            ArtefactRejected: the files are not those of an estimator.
            NotSupported: there is no explainer for this kind of estimator.
        """
        lacking = [name for name in (ENCODING, PIPELINE) if name not in files]
        if lacking:
            raise ArtefactRejected(f"the bundle has no {lacking[0]}, by which it is explained")
        encoding, estimator = FeatureEncoding.from_files(schema, files), load(files[PIPELINE])
        if isinstance(estimator, _TREES):
            return _of_trees(encoding, estimator)
        coefficients = _coefficients(estimator, len(encoding.names))
        nothing_known = np.full((1, len(schema.features)), np.nan)
        usual = encoding.transform(nothing_known)
        base = float(np.ravel(estimator.predict(usual))[0])
        return LinearExplainer(encoding, coefficients, base, usual[0])


def _of_trees(encoding: FeatureEncoding, estimator: Any) -> TreeExplainer:
    import shap

    explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    return TreeExplainer(encoding, explainer, float(np.ravel(explainer.expected_value)[0]))


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
