"""Fits estimators of scikit-learn and exports them to the files of a bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from adapters.sklearn.estimators import ERROR_SCALE, build, shares
from adapters.sklearn.serving_form import serving_form
from adapters.sklearn.skops_file import dump
from application.ports import TrainedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import InvalidData, Misconfigured
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.training.specification import TrainingSpec

PIPELINE = "pipeline.skops"

_LIBRARIES = ("numpy", "scikit-learn", "onnx", "onnxruntime", "skops")


@dataclass(frozen=True, slots=True)
class EstimatorPredictor:
    """Predicts with the fitted estimator itself, within the range of the target.

    The last bits of a linear model's predictions depend on the number of rows in the call.
    """

    encoding: FeatureEncoding
    estimator: Any
    target: Target

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return one prediction per row of `matrix`, shape (rows, features).

        Raises:
            InvalidData: a value is too large for the estimator: for trees, for float32.
        """
        if not len(matrix):
            return np.empty(0)
        return self.score(self.encoding.transform(matrix))

    def score(self, columns: Matrix) -> NDArray[np.float64]:
        """Return one prediction per row of columns, as `predict` does."""
        try:
            with _on_one_thread():
                predictions = np.asarray(self.estimator.predict(columns), dtype=np.float64)
        except ValueError as error:
            raise InvalidData(f"the estimator cannot predict: {error}") from error
        return self.target.within_range(predictions)


class SklearnLearner:
    """A `Learner` of scikit-learn; the same input gives the same files to the last byte."""

    error_scale = ERROR_SCALE

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        """Fit on `matrix`, shape (rows, features), and `target`, shape (rows,).

        Raises:
            Misconfigured: a hyper-parameter is unknown or has a value that is not allowed, or
                the features are spatial and the schema has no coordinates.
        """
        estimator, parameters = build(spec)
        features = spec.for_schema(schema).features or FeatureSet.PLAIN
        encoding, columns = FeatureEncoding.fit_transform(
            features, schema, matrix, target, shares(estimator)
        )
        try:
            _fit(estimator, columns, target)
        except (ValueError, TypeError, OverflowError) as error:
            raise Misconfigured(f"{spec.estimator.value} cannot be fitted: {error}") from error
        libraries = {name: version(name) for name in _LIBRARIES} | {"python": python_version()}
        fitted = EstimatorPredictor(encoding, estimator, schema.target)
        # Later copies of the rows have other neighbours; only the first is kept in memory.
        first = columns if len(columns) == len(matrix) else columns[: len(matrix)].copy()
        predict_training = partial(fitted.score, first)
        return TrainedModel(
            fitted, partial(_export, fitted), parameters, libraries, predict_training
        )


def _export(fitted: EstimatorPredictor) -> dict[str, bytes]:
    return {
        **fitted.encoding.to_files(),
        **serving_form(fitted.estimator, len(fitted.encoding.names)),
        PIPELINE: dump(fitted.estimator),
    }


def _fit(estimator: Any, columns: Matrix, target: Vector) -> None:
    times = len(columns) // max(len(target), 1)
    if times > 1:
        _count_rows(estimator, times)
    with _on_one_thread():
        estimator.fit(columns, np.tile(target, times))
    if hasattr(estimator, "n_jobs"):
        # One thread sums the trees of a forest in a fixed order.
        estimator.set_params(n_jobs=None)


def _count_rows(boosting: Any, times: int) -> None:
    """Scale hyper-parameters that count rows, since each row occurs `times` times.

    Values that are not allowed stay: scikit-learn refuses them.
    """
    for name in ("min_samples_leaf", "l2_regularization"):
        value = getattr(boosting, name)
        if isinstance(value, int | float) and value > 0:
            boosting.set_params(**{name: value * times})


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Limit boosting to one thread, which is faster than two that wait on busy cores.

    scikit-learn itself refuses numbers that overflow.
    """
    with _boosting().limit(limits=1), np.errstate(over="ignore", invalid="ignore"):
        yield


@cache
def _boosting() -> ThreadpoolController:
    """Return the controller of boosting's threads, which is per calling thread.

    Also limits BLAS to one thread, for the whole process and from here on: the rounding of a matrix
    product depends on the number of threads. All these libraries are loaded with scikit-learn.
    """
    pools = ThreadpoolController()
    pools.select(user_api="blas").limit(limits=1)
    return pools.select(user_api="openmp")
