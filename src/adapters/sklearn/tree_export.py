"""Boosted trees of scikit-learn as plain arrays."""

from typing import Any

import numpy as np

from domain.model.safetensors import INT32
from domain.model.tree_ensemble import TreeEnsemble


def trees_of(estimator: Any, width: int) -> TreeEnsemble | None:
    """Return the trees of a fitted estimator over `width` columns, None where it has no such form.

    Only gradient boosting has it: scikit-learn's other trees compare values that are rounded to
    float32, and have thousands of leaves. As in the graph, the baseline is in the leaves of the
    first tree.
    """
    if type(estimator).__name__ != "HistGradientBoostingRegressor":
        return None
    nodes = np.concatenate([predictors[0].nodes for predictors in estimator._predictors])
    sizes = [len(predictors[0].nodes) for predictors in estimator._predictors]
    leaf = nodes["is_leaf"].astype(np.bool_)
    begins = np.cumsum(sizes) - sizes
    before = np.cumsum(leaf, dtype=INT32) - leaf
    leaves = np.diff(before[begins], append=leaf.sum(dtype=INT32))
    values = nodes["value"][leaf].copy()
    values[: leaves[0]] += float(np.ravel(estimator._baseline_prediction)[0])
    if leaves.max() > TreeEnsemble.MOST_LEAVES or not np.isfinite(values).all():
        return None
    inner = nodes[~leaf]
    # A tree's nodes stand in the order in which one goes down its left branches first. So the
    # leaves that stand before a node's right branch are those to the left of its border.
    begin = np.repeat(begins, sizes)[~leaf]
    splits = before[begin + inner["right"]] - before[begin]
    return TreeEnsemble(
        width=width,
        leaves=leaves,
        columns=inner["feature_idx"].astype(INT32),
        thresholds=inner["num_threshold"].copy(),
        missing_left=inner["missing_go_to_left"].astype(np.bool_),
        splits=splits,
        values=values,
    )
