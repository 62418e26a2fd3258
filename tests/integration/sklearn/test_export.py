"""The exported graph answers like the estimator, also where that is hard."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from adapters.sklearn.serving_form import onnx_graph
from adapters.sklearn.sklearn_learner import SklearnLearner
from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import InvalidData, Misconfigured
from domain.evaluation.metrics import largest_deviation
from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.integration.contracts.rows import labelled
from tests.integration.sklearn.graphs import ask, exported
from tests.integration.sklearn.oracle import around_thresholds, averaged, boosted
from tests.support.samples import SCHEMA

ROWS, WIDTH = 400, 5


def _data(rows: int = ROWS, width: int = WIDTH, seed: int = 0) -> tuple[Matrix, Vector]:
    random = np.random.default_rng(seed)
    columns = random.normal(0, 10, (rows, width))
    return columns, columns.sum(axis=1) ** 2 + random.normal(0, 5, rows)


def _with_gaps(columns: Matrix, share: float = 0.2) -> Matrix:
    gapped = columns.copy()
    gapped[np.random.default_rng(1).random(columns.shape) < share] = np.nan
    return gapped


def _assert_same(estimator: Any, columns: Matrix) -> None:
    expected = np.asarray(estimator.predict(columns), dtype=np.float64)
    assert exported(estimator, columns).tobytes() == expected.tobytes()


def _boosting(**parameters: Any) -> Any:
    defaults = {"max_iter": 30, "min_samples_leaf": 3, "random_state": 0}
    return HistGradientBoostingRegressor(**{**defaults, **parameters})


def _tree(**parameters: Any) -> Any:
    return DecisionTreeRegressor(random_state=0, **parameters)


def _forest(**parameters: Any) -> Any:
    return RandomForestRegressor(**{"n_estimators": 8, "random_state": 0, **parameters})


TREES = {"tree": _tree, "forest": _forest, "boosting": _boosting}
LINEAR = {
    "linear": LinearRegression,
    "ridge": lambda: make_pipeline(StandardScaler(), Ridge()),
}


@pytest.mark.parametrize(
    "estimator",
    [
        _tree(min_samples_leaf=ROWS),
        _forest(min_samples_leaf=ROWS),
        _boosting(min_samples_leaf=ROWS),
    ],
    ids=TREES,
)
def test_trees_of_a_single_leaf(estimator: Any) -> None:
    columns, target = _data()
    estimator.fit(columns, target)
    _assert_same(estimator, columns)
    _assert_same(estimator, _data(seed=7)[0] * 1e6)


def test_trees_with_leaves_only_among_others() -> None:
    columns, _ = _data()
    target = np.repeat([1.0, -1.0], ROWS // 2)
    columns[:, 0] = np.abs(columns[:, 0]) * target
    boosting = _boosting(learning_rate=1.0, max_iter=6).fit(columns, target)
    sizes = {len(predictors[0].nodes) for predictors in boosting._predictors}
    assert 1 in sizes
    assert max(sizes) > 1
    _assert_same(boosting, columns)
    forest = _forest(max_samples=2).fit(columns, target)
    assert 1 in {tree.tree_.node_count for tree in forest.estimators_}
    assert max(tree.tree_.node_count for tree in forest.estimators_) > 1
    _assert_same(forest, columns)


@pytest.mark.parametrize("kind", TREES)
def test_one_feature(kind: str) -> None:
    columns, target = _data(width=1)
    _assert_same(TREES[kind]().fit(columns, target), columns)


@pytest.mark.parametrize("kind", LINEAR)
def test_one_feature_of_a_linear_model(kind: str) -> None:
    columns, target = _data(width=1)
    estimator = LINEAR[kind]().fit(columns, target)
    assert largest_deviation(estimator.predict(columns), exported(estimator, columns)) <= 1e-14


@pytest.mark.parametrize("kind", TREES)
def test_missing_values_in_what_was_learnt_from_and_in_what_is_asked(kind: str) -> None:
    columns, target = _data()
    estimator = TREES[kind]().fit(_with_gaps(columns), target)
    _assert_same(estimator, _with_gaps(_data(seed=3)[0], 0.4))
    _assert_same(estimator, columns)
    _assert_same(estimator, np.full((2, WIDTH), np.nan))


def test_missing_values_that_boosting_has_never_learnt_from() -> None:
    columns, target = _data()
    _assert_same(_boosting().fit(columns, target), _with_gaps(columns, 0.4))


@pytest.mark.parametrize("kind", TREES)
def test_values_as_large_as_float32_can_hold(kind: str) -> None:
    columns, target = _data()
    columns[::3] *= 1e36
    estimator = TREES[kind]().fit(columns, target)
    _assert_same(estimator, columns)
    largest = float(np.finfo(np.float32).max)
    for value in (largest, -largest):
        _assert_same(estimator, np.full((1, WIDTH), value))


def test_boosting_takes_any_float64() -> None:
    columns, target = _data()
    columns[::5, 0] = 1e300
    asked = columns.copy()
    asked[::2, 1], asked[1::2, 2], asked[::3, 3] = np.inf, -np.inf, -1e308
    _assert_same(_boosting().fit(columns, target), asked)


@pytest.mark.parametrize("kind", TREES)
@pytest.mark.parametrize("offset", [0.0, 1e4, 16_777_216.0])
def test_values_on_and_next_to_thresholds(kind: str, offset: float) -> None:
    """At an offset of 2²⁴ neighbouring float32 are two apart, and many values become one."""
    columns, target = _data()
    columns = columns + offset
    estimator = TREES[kind]().fit(columns, target)
    asked = around_thresholds(estimator, columns, 400)
    _assert_same(estimator, asked)
    if kind == "boosting":
        expected = boosted(estimator, asked)
    else:
        expected = averaged(getattr(estimator, "estimators_", [estimator]), asked)
    assert exported(estimator, asked).tobytes() == expected.tobytes()


def test_rounding_to_float32_decides_between_leaves() -> None:
    columns = np.array([[1.0], [2.0]])
    tree = _tree().fit(columns, np.array([10.0, 20.0]))
    asked = np.array([[1.5 + 1e-12], [1.5 + 1e-6], [1.5]])
    assert exported(tree, asked).tolist() == [10.0, 20.0, 10.0]
    boosting = _boosting(max_iter=1, learning_rate=1.0, min_samples_leaf=1)
    boosting.fit(columns, np.array([10.0, 20.0]))
    assert exported(boosting, asked).round(9).tolist() == [20.0, 20.0, 10.0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantile": 0.9},
        {"loss": "quantile", "quantile": 0.05},
        {"max_iter": 1},
        {"max_iter": 1, "max_leaf_nodes": 2},
        {"max_leaf_nodes": None, "max_depth": 3},
        {"max_features": 0.4},
        {"early_stopping": True, "max_iter": 200, "tol": 1e-2},
        {"interaction_cst": "no_interactions"},
        {"max_bins": 4},
    ],
    ids=str,
)
def test_forms_of_boosting(parameters: dict[str, Any]) -> None:
    columns, target = _data()
    _assert_same(_boosting(**parameters).fit(columns, target), _with_gaps(columns))


@pytest.mark.parametrize(
    "parameters",
    [
        {"criterion": "absolute_error"},
        {"criterion": "poisson"},
        {"splitter": "random"},
        {"ccp_alpha": 50.0},
        {"max_leaf_nodes": 9},
        {"max_depth": 1},
    ],
    ids=str,
)
def test_forms_of_trees(parameters: dict[str, Any]) -> None:
    columns, target = _data()
    _assert_same(_tree(**parameters).fit(columns, np.abs(target)), columns)


@pytest.mark.parametrize(
    "parameters",
    [
        {"bootstrap": False, "max_features": 0.5},
        {"n_estimators": 60, "oob_score": True},
        {"n_estimators": 1},
        {"n_estimators": 51},
    ],
    ids=str,
)
def test_forms_of_forests(parameters: dict[str, Any]) -> None:
    columns, target = _data()
    _assert_same(_forest(**parameters).fit(columns, target), columns)


@pytest.mark.parametrize(
    "estimator",
    [
        DummyRegressor(),
        DummyRegressor(strategy="median"),
        DummyRegressor(strategy="quantile", quantile=0.3),
        DummyRegressor(strategy="constant", constant=-1e300),
    ],
    ids=lambda estimator: estimator.strategy,
)
def test_forms_of_a_constant(estimator: Any) -> None:
    columns, target = _data()
    estimator.fit(columns, target)
    _assert_same(estimator, columns)
    assert exported(estimator, columns[:0]).shape == (0,)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(fit_intercept=False),
        LinearRegression(positive=True),
        make_pipeline(StandardScaler(), Ridge(fit_intercept=False)),
        make_pipeline(StandardScaler(), Ridge(positive=True)),
    ],
    ids=["linear through zero", "positive linear", "ridge through zero", "positive ridge"],
)
def test_forms_of_linear_models(estimator: Any) -> None:
    columns, target = _data()
    estimator.fit(columns, target)
    assert largest_deviation(estimator.predict(columns), exported(estimator, columns)) <= 1e-13


def test_ridge_keeps_its_digits_where_a_feature_is_large_and_hardly_varies() -> None:
    columns, target = _data()
    columns[:, 0] = 1.7e9 + 1e-3 * columns[:, 0]
    columns[:, 1] = 42.0
    estimator = make_pipeline(StandardScaler(), Ridge()).fit(columns, target)
    assert largest_deviation(estimator.predict(columns), exported(estimator, columns)) <= 1e-13


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_loss_whose_answers_are_exponents_is_refused_with_those_that_are_not(loss: str) -> None:
    matrix, target = labelled()
    spec = TrainingSpec(Estimator.HIST_GRADIENT_BOOSTING, {"loss": loss, "max_iter": 2})
    trained = SklearnLearner().fit(spec, SCHEMA, matrix, np.abs(target) + 1)
    with pytest.raises(Misconfigured) as refused:
        _ = trained.files
    allowed = "squared_error, absolute_error, quantile"
    assert str(refused.value) == f"loss '{loss}' cannot be served; allowed: {allowed}"


def test_categorical_splits_are_refused() -> None:
    columns, target = _data()
    columns[:, 1] = np.arange(ROWS) % 4
    estimator = _boosting(categorical_features=[1]).fit(columns, target)
    with pytest.raises(Misconfigured, match="categorical splits cannot be served"):
        onnx_graph(estimator, WIDTH)
    spec = TrainingSpec(Estimator.HIST_GRADIENT_BOOSTING, {"categorical_features": "from_dtype"})
    with pytest.raises(Misconfigured, match="no hyper-parameter categorical_features; allowed: "):
        SklearnLearner().fit(spec, SCHEMA, *labelled())


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (Estimator.TREE, {"max_depth": 10**30}),
        (Estimator.DUMMY, {"strategy": "quantile"}),
        (Estimator.RANDOM_FOREST, {"oob_score": True, "bootstrap": False, "n_estimators": 2}),
        (Estimator.HIST_GRADIENT_BOOSTING, {"loss": "quantile", "max_iter": 2}),
        (Estimator.RIDGE, {"solver": "lsqr", "positive": True}),
    ],
    ids=lambda value: value.value if isinstance(value, Estimator) else "",
)
def test_hyper_parameters_that_do_not_go_together_are_refused(
    estimator: Estimator, parameters: dict[str, Parameter]
) -> None:
    with pytest.raises(Misconfigured, match=f"^{estimator.value} cannot be fitted: "):
        SklearnLearner().fit(TrainingSpec(estimator, parameters), SCHEMA, *labelled())


def test_a_value_beyond_float32_is_the_datas_fault_not_a_crash() -> None:
    schema = Schema("wide", Target("y"), (Feature("x", Kind.NUMBER),))
    columns, target = _data(width=1)
    trained = SklearnLearner().fit(TrainingSpec(Estimator.TREE), schema, columns, target)
    with pytest.raises(InvalidData, match=r"the estimator cannot predict: .*float32"):
        trained.predictor.predict(np.array([[1e39]]))


@pytest.mark.parametrize("solver", ["svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"])
def test_every_solver_of_ridge_finds_the_same_again(solver: str) -> None:
    spec = TrainingSpec(
        Estimator.RIDGE, {"solver": solver, "positive": solver == "lbfgs", "max_iter": 5000}
    )
    np.random.seed(1)
    first = SklearnLearner().fit(spec, SCHEMA, *labelled())
    np.random.seed(2)
    assert dict(SklearnLearner().fit(spec, SCHEMA, *labelled()).files) == dict(first.files)


@pytest.mark.parametrize("kind", [*TREES, *LINEAR])
def test_a_graph_is_self_contained_and_of_standard_operators(kind: str) -> None:
    columns, target = _data()
    content = onnx_graph((TREES | LINEAR)[kind]().fit(columns, target), WIDTH)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx.ml"}
    assert not model.functions
    assert not any(constant.external_data for constant in model.graph.initializer)
    assert [value.name for value in model.graph.input] == ["features"]
    assert [value.name for value in model.graph.output] == ["prediction"]
    assert ask(content, columns[:0]).shape == (0,)


@st.composite
def _grids(draw: st.DrawFn) -> tuple[Matrix, Vector, Matrix]:
    """Draw rows to fit on and rows to ask, of few values: many ties, thresholds hit exactly."""
    width = draw(st.integers(1, 3))
    cell = st.sampled_from([-1e30, -2.5, -1.0, 0.0, 0.1, 0.3, 1.0, 1.5, 2.0, 7.0, 1e30, np.nan])
    rows = st.lists(st.lists(cell, min_size=width, max_size=width), min_size=6, max_size=40)
    fitted, asked = np.array(draw(rows)), np.array(draw(rows))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return fitted, random.normal(0, 100, len(fitted)).round(2), asked


@pytest.mark.parametrize("kind", TREES)
@settings(max_examples=120, deadline=None)
@given(_grids())
def test_any_small_tree_answers_like_a_walk_through_its_nodes(
    kind: str, grid: tuple[Matrix, Vector, Matrix]
) -> None:
    fitted, target, asked = grid
    asked = np.concatenate([fitted, asked])
    if kind == "boosting":
        estimator = _boosting(max_iter=5, min_samples_leaf=1).fit(fitted, target)
        expected = boosted(estimator, asked)
    else:
        if not np.isnan(fitted).any():
            # scikit-learn's trees refuse missing values unless they have learnt from some.
            asked = np.nan_to_num(asked)
        estimator = (_tree() if kind == "tree" else _forest(n_estimators=3)).fit(fitted, target)
        expected = averaged(getattr(estimator, "estimators_", [estimator]), asked)
    answers = exported(estimator, asked)
    assert answers.tobytes() == expected.tobytes()
    assert answers.tobytes() == estimator.predict(asked).tobytes()
