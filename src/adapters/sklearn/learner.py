"""Fits an estimator and puts it in the files of a bundle."""

from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from adapters.sklearn.estimators import build
from adapters.sklearn.onnx_export import export
from adapters.sklearn.skops_file import dump
from application.ports import Trained
from domain.errors import Misconfigured
from domain.feature import Vector
from domain.features import FeatureEncoding
from domain.model import ENCODING, NUMERIC, json_bytes
from domain.schema import Matrix, Schema
from domain.training import TrainingSpec

PIPELINE = "pipeline.skops"

_LIBRARIES = ("numpy", "scikit-learn", "onnx", "onnxruntime", "skops")


@dataclass(frozen=True, slots=True)
class EstimatorPredictor:
    """Answers with the fitted estimator itself."""

    encoding: FeatureEncoding
    estimator: Any

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return one prediction per row of `matrix`, shape (rows, features)."""
        columns = self.encoding.transform(matrix)
        return np.asarray(self.estimator.predict(columns), dtype=np.float64)


class SklearnLearner:
    """Learns with scikit-learn; the same input gives the same files to the last byte."""

    def fit(self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector) -> Trained:
        """Fit on `matrix`, shape (rows, features), and `target`, shape (rows,).

        Raises:
            Misconfigured: a hyper-parameter is unknown or has a value that is not allowed.
        """
        estimator, parameters = build(spec)
        encoding = FeatureEncoding.fit(schema, matrix)
        _fit(estimator, encoding.transform(matrix), target)
        files = {
            ENCODING: json_bytes(encoding.to_mapping()),
            NUMERIC: export(estimator, len(encoding.names)),
            PIPELINE: dump(estimator),
        }
        libraries = {name: version(name) for name in _LIBRARIES} | {"python": python_version()}
        return Trained(EstimatorPredictor(encoding, estimator), files, parameters, libraries)


def _fit(estimator: Any, columns: Matrix, target: Vector) -> None:
    try:
        # One thread gives the same model, and is faster than two that wait for a busy core.
        with threadpool_limits(1, user_api="openmp"):
            estimator.fit(columns, target)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"the estimator cannot be fitted: {error}") from error
    if hasattr(estimator, "n_jobs"):
        # Threads add up a forest's trees in any order; one thread always in the same.
        estimator.set_params(n_jobs=None)
