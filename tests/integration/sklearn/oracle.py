"""What trees answer, read off their node arrays by plain Python: independent of ONNX."""

from typing import Any

import numpy as np

from domain.data.feature import Vector
from domain.data.schema import Matrix


def boosted(estimator: Any, columns: Matrix) -> Vector:
    """Return the baseline plus, tree by tree, the leaf that each row ends in."""
    baseline = float(np.ravel(estimator._baseline_prediction)[0])
    trees = [predictors[0].nodes.tolist() for predictors in estimator._predictors]
    names = estimator._predictors[0][0].nodes.dtype.names
    where = {name: position for position, name in enumerate(names)}
    answers = []
    for row in columns.tolist():
        total = baseline
        for nodes in trees:
            total += _boosted_leaf(nodes, where, row)
        answers.append(total)
    return np.array(answers)


def _boosted_leaf(nodes: list[Any], where: dict[str, int], row: list[float]) -> float:
    node = nodes[0]
    while not node[where["is_leaf"]]:
        value = row[node[where["feature_idx"]]]
        if value != value:
            left = node[where["missing_go_to_left"]]
        else:
            left = value <= node[where["num_threshold"]]
        node = nodes[node[where["left" if left else "right"]]]
    return float(node[where["value"]])


def averaged(estimators: list[Any], columns: Matrix) -> Vector:
    """Return the mean over trees that compare float32 values with float64 thresholds."""
    rounded = columns.astype(np.float32).astype(np.float64)
    trees = [_Lists(estimator.tree_) for estimator in estimators]
    answers = []
    for row in rounded.tolist():
        total = 0.0
        for tree in trees:
            total += tree.leaf(row)
        answers.append(total / len(trees))
    return np.array(answers)


class _Lists:
    """A tree of scikit-learn as lists over its nodes."""

    def __init__(self, tree: Any) -> None:
        self.left, self.right = tree.children_left.tolist(), tree.children_right.tolist()
        self.column, self.threshold = tree.feature.tolist(), tree.threshold.tolist()
        self.missing_left = tree.missing_go_to_left.tolist()
        self.value = tree.value[:, 0, 0].tolist()

    def leaf(self, row: list[float]) -> float:
        node = 0
        while self.left[node] != -1:
            value = row[self.column[node]]
            missing = value != value
            left = self.missing_left[node] if missing else value <= self.threshold[node]
            node = self.left[node] if left else self.right[node]
        return float(self.value[node])


def around_thresholds(estimator: Any, columns: Matrix, count: int) -> Matrix:
    """Return rows with values on, and next to, the thresholds that they are compared with.

    Next to it as a float64, and as the two float32 that a threshold lies between.
    """
    thresholds = _thresholds(estimator)
    random = np.random.default_rng(11)
    rows = columns[random.integers(0, len(columns), count)].copy()
    for row in rows:
        for column in range(len(row)):
            known = thresholds.get(column)
            if known:
                row[column] = _near(known[random.integers(len(known))], int(random.integers(5)))
    return rows


def _thresholds(estimator: Any) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for columns, thresholds in _splits(estimator):
        for column, threshold in zip(columns, thresholds, strict=True):
            found.setdefault(column, []).append(threshold)
    return found


def _splits(estimator: Any) -> list[tuple[list[int], list[float]]]:
    if hasattr(estimator, "_predictors"):
        inner = [p[0].nodes[p[0].nodes["is_leaf"] == 0] for p in estimator._predictors]
        return [(n["feature_idx"].tolist(), n["num_threshold"].tolist()) for n in inner]
    trees = [tree.tree_ for tree in getattr(estimator, "estimators_", [estimator])]
    masks = [tree.children_left != -1 for tree in trees]
    return [
        (tree.feature[mask].tolist(), tree.threshold[mask].tolist())
        for tree, mask in zip(trees, masks, strict=True)
    ]


def _near(threshold: float, how: int) -> float:
    single = np.float32(threshold)
    choices = (
        threshold,
        np.nextafter(threshold, np.inf),
        np.nextafter(threshold, -np.inf),
        np.nextafter(single, np.float32(np.inf)),
        np.nextafter(single, np.float32(-np.inf)),
    )
    return float(choices[how])
