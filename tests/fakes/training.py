from collections.abc import Callable, Mapping

import numpy as np

from application.ports import TrainedModel
from domain.canonical_json import json_bytes
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import (
    Misconfigured,
)
from domain.features.encoding import FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.model.bundle import GRAPH
from domain.training.search_space import Dimension, Number, Space, Trial
from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.fakes.model import LinearPredictor


class MemoryLearner:
    """A `Learner`: the mean for `dummy`, least squares with penalty `alpha` for the others."""

    error_scale = TrainingSpec(Estimator.LINEAR)

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        alpha = _alpha(spec)
        encoding, columns = FeatureEncoding.fit_transform(
            spec.for_schema(schema).features or FeatureSet.PLAIN, schema, matrix, target
        )
        coefficients = np.zeros(columns.shape[1])
        if spec.estimator is not Estimator.DUMMY:
            coefficients = _least_squares(columns, target, alpha)
        intercept = float(np.mean(target) - np.mean(columns, axis=0) @ coefficients)
        predictor = LinearPredictor(
            encoding, intercept, tuple(coefficients.tolist()), schema.target
        )
        model = {"intercept": intercept, "coefficients": list(predictor.coefficients)}
        files = {**encoding.to_files(), GRAPH: json_bytes(model)}
        libraries = {"numpy": np.__version__}
        fitted = schema.target.within_range(intercept + columns @ coefficients)
        return TrainedModel(predictor, lambda: files, {"alpha": alpha}, libraries, lambda: fitted)


def _alpha(spec: TrainingSpec) -> float:
    alpha = spec.parameters.get("alpha", 0.0)
    unknown = [name for name in spec.parameters if name != "alpha"]
    if unknown:
        raise Misconfigured(f"{spec.estimator}: unknown parameter {unknown[0]!r}; allowed: alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not alpha >= 0:
        raise Misconfigured(f"{spec.estimator}: alpha: {alpha!r} is not a number of at least 0")
    return float(alpha)


def _least_squares(columns: Matrix, target: Vector, alpha: float) -> Vector:
    scale = np.where(np.ptp(columns, axis=0) == 0, 1.0, np.std(columns, axis=0))
    centred = (columns - np.mean(columns, axis=0)) / scale
    penalty = np.sqrt(alpha) * np.eye(columns.shape[1])
    design = np.concatenate([centred, penalty])
    wanted = np.concatenate([target - np.mean(target), np.zeros(columns.shape[1])])
    solution: Vector = np.linalg.lstsq(design, wanted, rcond=None)[0]
    return solution / scale


class MemorySearcher:
    """A `Searcher` that tries values at random."""

    def search(
        self,
        space: Space,
        objective: Callable[[Mapping[str, Parameter]], float],
        budget: int,
        seed: int,
        start: Mapping[str, Parameter],
    ) -> list[Trial]:
        if budget < 1:
            raise Misconfigured(f"budget: {budget} trials; allowed: 1 or more")
        random = np.random.default_rng(seed)
        trials = [Trial(start, objective(start))]
        while len(trials) < budget:
            drawn = {name: _drawn(random, dimension) for name, dimension in space.items()}
            parameters = {**start, **drawn}
            trials.append(Trial(parameters, objective(parameters)))
        return trials


def _drawn(random: np.random.Generator, dimension: Dimension) -> Number:
    if dimension.whole:
        return int(random.integers(int(dimension.low), int(dimension.high), endpoint=True))
    return float(random.uniform(dimension.low, dimension.high))
