"""The serving form of fitted estimators: an ONNX graph, and for boosting the trees as arrays.

Predictions of both equal the estimator's to the last bit. Every graph has one float64 input
`features` of shape (rows, columns) and one float64 output `prediction` of shape (rows,). Trees use
`TreeEnsemble` of `ai.onnx.ml` 5, whose thresholds and leaves are float64, added up in the
estimator's own order. Linear models use elementwise operators only, never a matrix product, whose
rounding depends on the number of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from domain.errors import Misconfigured
from domain.model.bundle import GRAPH, TREES
from domain.model.safetensors import INT32
from domain.model.tree_ensemble import TreeEnsemble

_OPSET = 18
_ML_OPSET = 5
_IR_VERSION = 10
_ML_DOMAIN = "ai.onnx.ml"
_SUM = 1
_NO_TRANSFORM = 0
_LESS_OR_EQUAL = 0


def serving_form(estimator: Any, width: int) -> dict[str, bytes]:
    """Return the files of the serving form of a fitted estimator over `width` columns.

    Raises:
        Misconfigured: a hyper-parameter gave the estimator a form that cannot be exported.
    """
    files = {GRAPH: onnx_graph(estimator, width)}
    trees = trees_of(estimator, width)
    if trees is not None:
        files[TREES] = trees.to_bytes()
    return files


def onnx_graph(estimator: Any, width: int) -> bytes:
    """Return the serialised graph of a fitted estimator for rows of `width` columns.

    Raises:
        Misconfigured: as `serving_form`.
    """
    model = _EXPORTERS[type(estimator).__name__](estimator, width)
    return bytes(model.SerializeToString(deterministic=True))


def _dummy(estimator: Any, width: int) -> onnx.ModelProto:
    value = _tensor("value", np.ravel(estimator.constant_)[:1])
    nodes = [
        helper.make_node("Shape", ["features"], ["rows"], start=0, end=1),
        helper.make_node("ConstantOfShape", ["rows"], ["prediction"], value=value),
    ]
    return _model(nodes, [], width)


def _linear(estimator: Any, width: int) -> onnx.ModelProto:
    return _model(*_weighted_sum("features", estimator, width), width)


def _scaled_linear(pipeline: Any, width: int) -> onnx.ModelProto:
    """Scale before the sum, as the estimator does: scaled coefficients would lose digits."""
    scaler, linear = pipeline[0], pipeline[-1]
    scaling = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
    ]
    nodes, constants = _weighted_sum("scaled", linear, width)
    constants += [_tensor("mean", scaler.mean_), _tensor("scale", scaler.scale_)]
    return _model([*scaling, *nodes], constants, width)


def _weighted_sum(
    features: str, linear: Any, width: int
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    columns = [f"term_{position}" for position in range(width)]
    split = (
        helper.make_node("Split", ["terms"], columns, axis=1, num_outputs=width)
        if width > 1
        else helper.make_node("Identity", ["terms"], columns)
    )
    nodes = [
        helper.make_node("Mul", [features, "weights"], ["terms"]),
        split,
        helper.make_node("Sum", [*columns, "intercept"], ["total"]),
        _squeeze("total", "prediction"),
    ]
    constants = [
        _tensor("weights", np.ravel(linear.coef_)),
        _tensor("intercept", np.ravel(linear.intercept_)[:1]),
        _axis(),
    ]
    return nodes, constants


def _tree(estimator: Any, width: int) -> onnx.ModelProto:
    return _mean_of_trees([estimator], width)


def _forest(estimator: Any, width: int) -> onnx.ModelProto:
    return _mean_of_trees(estimator.estimators_, width)


def _mean_of_trees(estimators: list[Any], width: int) -> onnx.ModelProto:
    """scikit-learn's trees compare float32 values with float64 thresholds, hence the two casts."""
    trees = _Trees()
    for estimator in estimators:
        tree = estimator.tree_
        trees.add(
            left=tree.children_left,
            right=tree.children_right,
            column=tree.feature,
            threshold=tree.threshold,
            missing_left=tree.missing_go_to_left,
            leaf=tree.children_left == -1,
            value=tree.value[:, 0, 0],
        )
    nodes = [
        helper.make_node("Cast", ["features"], ["rounded"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["rounded"], ["compared"], to=TensorProto.DOUBLE),
        trees.node("compared", "total"),
        _squeeze("total", "sum"),
        helper.make_node("Div", ["sum", "count"], ["prediction"]),
    ]
    return _model(nodes, [_axis(), _tensor("count", [len(estimators)])], width)


def _boosting(estimator: Any, width: int) -> onnx.ModelProto:
    """The baseline goes into the leaves of the first tree, as scikit-learn adds it up."""
    link = type(estimator._loss.link).__name__
    if link != "IdentityLink":
        raise Misconfigured(
            f"loss {estimator.loss!r} cannot be served; allowed: squared_error, absolute_error, "
            f"quantile"
        )
    if estimator.is_categorical_ is not None:
        raise Misconfigured("categorical splits cannot be served; leave categorical_features unset")
    baseline = float(np.ravel(estimator._baseline_prediction)[0])
    trees = _Trees()
    for iteration, predictors in enumerate(estimator._predictors):
        nodes = predictors[0].nodes
        trees.add(
            left=nodes["left"],
            right=nodes["right"],
            column=nodes["feature_idx"],
            threshold=nodes["num_threshold"],
            missing_left=nodes["missing_go_to_left"],
            leaf=nodes["is_leaf"].astype(bool),
            value=nodes["value"] + baseline if iteration == 0 else nodes["value"],
        )
    return _model(
        [trees.node("features", "total"), _squeeze("total", "prediction")], [_axis()], width
    )


_EXPORTERS: dict[str, Callable[[Any, int], onnx.ModelProto]] = {
    "DummyRegressor": _dummy,
    "LinearRegression": _linear,
    "Pipeline": _scaled_linear,
    "DecisionTreeRegressor": _tree,
    "RandomForestRegressor": _forest,
    "HistGradientBoostingRegressor": _boosting,
}


def trees_of(estimator: Any, width: int) -> TreeEnsemble | None:
    """Return the trees of gradient boosting over `width` columns; None for other estimators.

    scikit-learn's other trees compare values that are rounded to float32, and have thousands of
    leaves. As in the graph, the leaves of the first tree include the baseline.
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
    # The nodes of a tree are in depth-first order, left branches first. So the leaves before a
    # node's right branch are those to the left of its border.
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


@dataclass(slots=True)
class _Trees:
    """The arrays of a `TreeEnsemble`, filled tree by tree.

    Inner nodes and leaves are numbered separately, each over all trees.
    """

    roots: list[int] = field(default_factory=list)
    parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    inner_count: int = 0
    leaf_count: int = 0

    def add(
        self,
        *,
        left: NDArray[Any],
        right: NDArray[Any],
        column: NDArray[Any],
        threshold: NDArray[Any],
        missing_left: NDArray[Any],
        leaf: NDArray[np.bool_],
        value: NDArray[Any],
    ) -> None:
        """Append a tree given by parallel arrays over its nodes; node 0 is the root."""
        self.roots.append(self.inner_count)
        inner = ~leaf
        numbers = np.where(
            leaf,
            np.cumsum(leaf) - 1 + self.leaf_count,
            np.cumsum(inner) - 1 + self.inner_count,
        )
        if leaf[0]:
            # A tree of one leaf becomes a node with this leaf on both sides.
            left = right = column = np.zeros(1, dtype=np.int64)
            threshold, inner = np.zeros(1), np.ones(1, dtype=bool)
        yes, no = left[inner].astype(np.int64), right[inner].astype(np.int64)
        self.parts.append(
            {
                "yes": numbers[yes],
                "no": numbers[no],
                "yes_is_leaf": leaf[yes],
                "no_is_leaf": leaf[no],
                "column": column[inner],
                "threshold": threshold[inner],
                "missing_left": missing_left[inner],
                "weight": value[leaf],
            }
        )
        self.inner_count += int(inner.sum())
        self.leaf_count += int(leaf.sum())

    def node(self, features: str, total: str) -> onnx.NodeProto:
        """Return the operator that adds up all trees; its output has shape (rows, 1)."""
        joined = {
            name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]
        }

        def whole(name: str) -> list[int]:
            return [int(value) for value in joined[name]]

        modes = np.full(self.inner_count, _LESS_OR_EQUAL, dtype=np.uint8)
        return helper.make_node(
            "TreeEnsemble",
            [features],
            [total],
            domain=_ML_DOMAIN,
            aggregate_function=_SUM,
            post_transform=_NO_TRANSFORM,
            n_targets=1,
            tree_roots=self.roots,
            nodes_modes=numpy_helper.from_array(modes, "modes"),
            nodes_splits=_tensor("thresholds", joined["threshold"]),
            nodes_featureids=whole("column"),
            nodes_truenodeids=whole("yes"),
            nodes_falsenodeids=whole("no"),
            nodes_trueleafs=whole("yes_is_leaf"),
            nodes_falseleafs=whole("no_is_leaf"),
            nodes_missing_value_tracks_true=whole("missing_left"),
            leaf_targetids=[0] * self.leaf_count,
            leaf_weights=_tensor("weights", joined["weight"]),
        )


def _squeeze(column: str, vector: str) -> onnx.NodeProto:
    return helper.make_node("Squeeze", [column, "axis"], [vector])


def _axis() -> onnx.TensorProto:
    return numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")


def _tensor(name: str, values: ArrayLike) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float64), name)


def _model(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], width: int
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "modelport",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, ["rows", width])],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, ["rows"])],
        constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_ML_DOMAIN, _ML_OPSET)]
    model = helper.make_model(
        graph, producer_name="modelport", opset_imports=opsets, ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model)
    return model
