"""Fits an estimator and puts it in the files of a bundle."""

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

from adapters.sklearn.estimators import SPREAD, build, shares
from adapters.sklearn.serving_form import serving_form
from adapters.sklearn.skops_file import dump
from application.ports import TrainedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import InvalidData, Misconfigured
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.training.specification import TrainingSpec

PIPELINE = "pipeline.skops"

_LIBRARIES = ("numpy", "scikit-learn", "onnx", "onnxruntime", "skops")


@dataclass(frozen=True, slots=True)
class EstimatorPredictor:
    """Answers with the fitted estimator itself.

    The last bits of a linear model's answer depend on how many rows are asked together.
    """

    encoding: FeatureEncoding
    estimator: Any

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return one prediction per row of `matrix`, shape (rows, features).

        Raises:
            InvalidData: a value is beyond what the estimator can take: for trees, beyond float32.
        """
        if not len(matrix):
            return np.empty(0)
        columns = self.encoding.transform(matrix)
        try:
            with _on_one_thread():
                return np.asarray(self.estimator.predict(columns), dtype=np.float64)
        except ValueError as error:
            raise InvalidData(f"the estimator cannot answer: {error}") from error


class SklearnLearner:
    """Learns with scikit-learn; the same input gives the same files to the last byte."""

    spread = SPREAD

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        """Fit on `matrix`, shape (rows, features), and `target`, shape (rows,).

        Raises:
            Misconfigured: a hyper-parameter is unknown or has a value that is not allowed, or
                spatial features are asked for and the schema has no coordinates.
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
        fitted = EstimatorPredictor(encoding, estimator)
        return TrainedModel(fitted, partial(_export, fitted), parameters, libraries)


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
        # Threads add up a forest's trees in any order; one thread always in the same.
        estimator.set_params(n_jobs=None)


def _count_rows(boosting: Any, times: int) -> None:
    """Let hyper-parameters that weigh rows mean what they say, though each row stands there often.

    What is not allowed is left to scikit-learn, which says so.
    """
    for name in ("min_samples_leaf", "l2_regularization"):
        value = getattr(boosting, name)
        if isinstance(value, int | float) and value > 0:
            boosting.set_params(**{name: value * times})


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Boosting on one thread is faster than on two that wait for each other on busy cores.

    Numbers that overflow are refused by scikit-learn itself, with an error.
    """
    with _boosting().limit(limits=1), np.errstate(over="ignore", invalid="ignore"):
        yield


@cache
def _boosting() -> ThreadpoolController:
    """Return what says how many threads boosting may use, for each thread that asks on its own.

    How a matrix product is rounded depends on the number of threads that share it: that is one
    from here on. It holds for the whole process, so no fit may set it back while others go on.
    All such libraries were loaded together with scikit-learn.
    """
    pools = ThreadpoolController()
    pools.select(user_api="blas").limit(limits=1)
    return pools.select(user_api="openmp")
