"""On the reference data, the serving form answers like the estimator, row by row."""

from typing import cast

import numpy as np
import pytest

from adapters.llvm.tree_runtime import open_trees
from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import PIPELINE, EstimatorPredictor
from adapters.sklearn.skops_file import load
from application.ports import TrainedModel
from domain.data.schema import Matrix
from domain.evaluation.metrics import largest_deviation
from domain.model.bundle import GRAPH
from domain.training.specification import Estimator
from entrypoints.wiring import builders
from tests.integration.sklearn.conftest import Fitted, Housing
from tests.integration.sklearn.graphs import ask
from tests.integration.sklearn.oracle import around_thresholds, averaged, boosted

EXACT = (
    Estimator.DUMMY,
    Estimator.TREE,
    Estimator.RANDOM_FOREST,
    Estimator.HIST_GRADIENT_BOOSTING,
)
ROUNDED = (Estimator.LINEAR, Estimator.RIDGE)
SCENES = ("hold-out", "training", "missing values", "nothing known", "far away", "huge")
FOLLOWED = 150  # rows that the oracle follows through every tree


def scene(name: str, housing: Housing) -> Matrix:
    """Return rows of the reference data's schema."""
    random = np.random.default_rng(2)
    rows = housing.rows.holdout.matrix.copy()
    match name:
        case "training":
            return housing.rows.training.matrix
        case "missing values":
            rows[random.random(rows.shape) < 0.25] = np.nan
        case "nothing known":
            rows = np.full((3, rows.shape[1]), np.nan)
        case "far away":
            features = housing.schema.features
            low, high = np.array([(f.low or 0.0, f.high or 4.0) for f in features]).T
            rows = random.uniform(low, high, (4000, len(features)))
            rows[:, -1] = random.integers(0, 5, 4000)
            rows[::7, 6] = 0.0  # no household: a ratio is undefined
        case "huge":
            rows[:, 2:8] *= 10.0 ** random.integers(-30, 30, (len(rows), 1))
    return rows


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("kind", EXACT)
def test_every_answer_is_the_estimators_to_the_last_bit(
    housing: Housing, fitted: Fitted, kind: Estimator, name: str
) -> None:
    trained, rows = fitted(kind), scene(name, housing)
    expected = trained.predictor.predict(rows)
    assert np.isfinite(expected).all()
    for runtime in (OnnxRuntime(), builders.runtime()):
        served = runtime.load(housing.schema, trained.files)
        assert served.predict(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("kind", ROUNDED)
def test_every_answer_of_a_linear_model_is_the_estimators_but_for_rounding(
    housing: Housing, fitted: Fitted, kind: Estimator, name: str
) -> None:
    trained, rows = fitted(kind), scene(name, housing)
    served = OnnxRuntime().load(housing.schema, trained.files)
    answers = served.predict(rows)
    assert np.isfinite(answers).all()
    assert largest_deviation(trained.predictor.predict(rows), answers) <= 1e-12


def _pipeline(trained: TrainedModel) -> EstimatorPredictor:
    return cast(EstimatorPredictor, trained.predictor)


@pytest.mark.parametrize("kind", EXACT[1:])
def test_every_answer_is_what_a_walk_through_the_trees_finds(
    housing: Housing, fitted: Fitted, kind: Estimator
) -> None:
    """The walk is plain Python over the node arrays; the rows lie on and next to thresholds."""
    trained = fitted(kind)
    encoding, estimator = _pipeline(trained).encoding, _pipeline(trained).estimator
    columns = encoding.transform(housing.rows.holdout.matrix)
    rows = np.concatenate([columns[:FOLLOWED], around_thresholds(estimator, columns, FOLLOWED)])
    if kind is Estimator.HIST_GRADIENT_BOOSTING:
        expected = boosted(estimator, rows)
    else:
        expected = averaged(getattr(estimator, "estimators_", [estimator]), rows)
    assert ask(trained.files[GRAPH], rows).tobytes() == expected.tobytes()
    if kind is Estimator.HIST_GRADIENT_BOOSTING:
        added = open_trees(trained.files, rows.shape[1])
        assert added(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", Estimator)
def test_the_estimator_that_is_kept_answers_like_the_one_that_was_fitted(
    housing: Housing, fitted: Fitted, kind: Estimator
) -> None:
    pipeline = _pipeline(fitted(kind))
    kept = EstimatorPredictor(
        pipeline.encoding, load(fitted(kind).files[PIPELINE]), pipeline.target
    )
    rows = housing.rows.holdout.matrix
    assert kept.predict(rows).tobytes() == pipeline.predict(rows).tobytes()


def test_the_last_bits_of_a_batch_are_those_of_its_rows(housing: Housing, fitted: Fitted) -> None:
    trained = fitted(Estimator.HIST_GRADIENT_BOOSTING)
    served = OnnxRuntime().load(housing.schema, trained.files)
    rows = housing.rows.holdout.matrix
    alone = np.concatenate([served.predict(rows[row : row + 1]) for row in range(len(rows))])
    assert served.predict(rows).tobytes() == alone.tobytes()
    for size in (51, 129, 1000):
        parts = [served.predict(rows[i : i + size]) for i in range(0, len(rows), size)]
        assert np.concatenate(parts).tobytes() == alone.tobytes()
