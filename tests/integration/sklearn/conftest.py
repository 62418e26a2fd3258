"""The reference data, and what is fitted on it once for all tests here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from threadpoolctl import threadpool_limits

from adapters.arrow.reading.csv_source import CsvSource
from adapters.formats.schema_toml import read_schema
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.data.labelled_rows import Divided, read_labelled
from application.ports import TrainedModel
from domain.data.schema import Schema
from domain.data.split import Split
from domain.training.specification import Estimator, Parameter, TrainingSpec

SCHEMA_FILE = Path(__file__).parents[3] / "data" / "housing.toml"

# The default forest answers in the same way, and is three times as large.
SMALLER: dict[Estimator, dict[str, Parameter]] = {Estimator.RANDOM_FOREST: {"n_estimators": 30}}


@dataclass(frozen=True)
class Housing:
    """The reference data, divided as it is for training."""

    source: CsvSource
    schema: Schema
    rows: Divided


Fitted: TypeAlias = Callable[[Estimator], TrainedModel]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Boosting's threads wait for each other by spinning, which is slow beside other tests."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def housing(housing_csv: Path) -> Housing:
    source, schema = CsvSource(housing_csv), read_schema(SCHEMA_FILE)
    return Housing(source, schema, read_labelled(source, schema).divide(Split()))


@pytest.fixture(scope="session")
def fitted(housing: Housing) -> Fitted:
    """Return what fits an estimator on the reference data, each once."""

    @cache
    def fit(kind: Estimator) -> TrainedModel:
        spec, training = TrainingSpec(kind, SMALLER.get(kind, {})), housing.rows.training
        return SklearnLearner().fit(spec, housing.schema, training.matrix, training.target)

    return fit
