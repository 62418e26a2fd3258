"""Random ensembles in the form of a fitted estimator, and difficult rows."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector
from domain.data.schema import Matrix

NODE = np.dtype(
    [
        ("value", np.float64),
        ("feature_idx", np.intp),
        ("num_threshold", np.float64),
        ("missing_go_to_left", np.uint8),
        ("left", np.uint32),
        ("right", np.uint32),
        ("is_leaf", np.uint8),
    ]
)


class IdentityLink:
    """The link of a loss that leaves sums unchanged."""


@dataclass
class HistGradientBoostingRegressor:
    """The exported parts of scikit-learn's estimator, and its predictions, row by row."""

    _predictors: list[list[Any]]
    _baseline_prediction: Matrix
    is_categorical_: None = None
    loss: str = "squared_error"

    @property
    def _loss(self) -> Any:
        return SimpleNamespace(link=IdentityLink())

    def predict(self, columns: Matrix) -> Vector:
        predictions = np.full(len(columns), self._baseline_prediction[0, 0])
        for (predictor,) in self._predictors:
            predictions += [_leaf_value(predictor.nodes, row) for row in columns]
        return predictions


def _leaf_value(nodes: NDArray[Any], row: Vector) -> float:
    node = nodes[0]
    while not node["is_leaf"]:
        value = row[node["feature_idx"]]
        left = node["missing_go_to_left"] if np.isnan(value) else value <= node["num_threshold"]
        node = nodes[node["left"] if left else node["right"]]
    return float(node["value"])


def ensemble(
    random: np.random.Generator, trees: int, leaves: int, pool: Vector, width: int
) -> HistGradientBoostingRegressor:
    """Return trees of random shape with up to `leaves` leaves and thresholds from the pool."""
    predictors = []
    for _ in range(trees):
        nodes: list[Any] = []
        _grow(random, nodes, int(random.integers(1, leaves + 1)), pool, width)
        predictors.append([SimpleNamespace(nodes=np.array(nodes, dtype=NODE))])
    return HistGradientBoostingRegressor(predictors, random.normal(0, 10, (1, 1)))


def _grow(
    random: np.random.Generator, nodes: list[Any], leaves: int, pool: Vector, width: int
) -> None:
    place = len(nodes)
    if leaves == 1:
        nodes.append((random.normal(0, 100), 0, 0.0, 0, 0, 0, 1))
        return
    nodes.append(None)
    left = int(random.integers(1, leaves))
    _grow(random, nodes, left, pool, width)
    right = len(nodes)
    _grow(random, nodes, leaves - left, pool, width)
    column, threshold = random.integers(width), random.choice(pool)
    nodes[place] = (0.0, column, threshold, random.integers(2), place + 1, right, 0)


def hard_rows(random: np.random.Generator, rows: int, pool: Vector, width: int) -> Matrix:
    """Return rows of thresholds, of adjacent numbers, and of special values."""
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.7e308])
    adjacent = [pool, np.nextafter(pool, np.inf), np.nextafter(pool, -np.inf)]
    return random.choice(np.concatenate([*adjacent, special, special]), (rows, width))
