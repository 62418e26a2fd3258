"""What the core computes itself is what scikit-learn computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from domain.data.feature import Feature, Kind
from domain.data.schema import Matrix, Ratio, Schema, Target
from domain.data.split import Split
from domain.evaluation.metrics import measure
from domain.features.encoding import FeatureEncoding

SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("rooms", Kind.NUMBER, nullable=True),
        Feature("place", Kind.CATEGORY, categories=("sea", "land", "air"), nullable=True),
        Feature("people", Kind.INTEGER, nullable=True),
        Feature("new", Kind.BOOLEAN),
    ),
    (Ratio("crowding", "people", "rooms"), Ratio("space", "rooms", "people")),
)


@settings(deadline=None, max_examples=100)
@given(st.integers(4, 3000), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_a_split_holds_out_the_rows_of_train_test_split(
    rows: int, holdout: float, seed: int
) -> None:
    held = int(np.ceil(rows * holdout))
    if held < 2 or rows - held < 2:
        return
    training, kept = train_test_split(np.arange(rows), test_size=holdout, random_state=seed)
    ours = Split(holdout, seed).positions(rows)
    assert ours[0].tolist() == training.tolist()
    assert ours[1].tolist() == kept.tolist()


def _rows(seed: int, count: int) -> Matrix:
    random = np.random.default_rng(seed)
    columns = [
        random.normal(5, 3, count),
        random.integers(0, 3, count).astype(np.float64),
        random.integers(0, 4, count).astype(np.float64),
        random.integers(0, 2, count).astype(np.float64),
    ]
    for column in columns[:3]:
        column[random.random(count) < 0.2] = np.nan
    return np.column_stack(columns)


@pytest.mark.parametrize("seed", range(5))
def test_an_encoding_is_median_imputation_one_hot_indicators_and_ratios(seed: int) -> None:
    training, rows = _rows(seed, 200), _rows(seed + 100, 300)
    encoding = FeatureEncoding.fit(SCHEMA, training)
    numbers = [0, 2, 3]
    imputer = SimpleImputer(strategy="median").fit(training[:, numbers])
    one_hot = OneHotEncoder(
        categories=[[0.0, 1.0, 2.0]], handle_unknown="ignore", sparse_output=False
    ).fit(np.array([[0.0], [1.0], [2.0]]))
    filled = imputer.transform(rows[:, numbers])

    def ratio(table: Matrix, over: int, under: int) -> Matrix:
        quotient = np.full(len(table), np.nan)
        np.divide(table[:, over], table[:, under], out=quotient, where=table[:, under] != 0)
        return quotient

    ratios = []
    for over, under in ((1, 0), (0, 1)):
        learnt = SimpleImputer(strategy="median").fit(
            ratio(training[:, numbers], over, under)[:, None]
        )
        ratios.append(learnt.transform(ratio(rows[:, numbers], over, under)[:, None]))
    expected = np.column_stack([filled, one_hot.transform(rows[:, [1]]), *ratios])
    assert encoding.transform(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    target = random.normal(200_000, 100_000, 500)
    predictions = target + random.normal(0, 40_000, 500)
    metrics = measure(target, predictions)
    assert metrics.rmse == pytest.approx(root_mean_squared_error(target, predictions), rel=1e-12)
    assert metrics.mae == pytest.approx(mean_absolute_error(target, predictions), rel=1e-12)
    assert metrics.r2 == pytest.approx(r2_score(target, predictions), rel=1e-12)
