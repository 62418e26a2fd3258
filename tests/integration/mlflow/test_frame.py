"""What a model in MLflow takes: frames as pandas reads and makes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapters.mlflow.mlflow_connection import set_defaults
from adapters.mlflow.pandas_model import FrameModel
from tests.fakes.model import MemoryRuntime
from tests.support.samples import SCHEMA, sample_bundle

PLAIN = {
    "height": [1.5, 2.0, 3.5],
    "age": [3.0, None, 9.0],
    "sort": ["pear", "apple", "plüm"],
    "watered": [True, False, True],
}


@pytest.fixture
def model() -> FrameModel:
    set_defaults()
    return FrameModel(SCHEMA, MemoryRuntime().load(SCHEMA, sample_bundle().files))


@pytest.fixture
def answers(model: FrameModel) -> list[float]:
    predictor = model.predictor
    records = [dict(zip(PLAIN, row, strict=True)) for row in zip(*PLAIN.values(), strict=True)]
    return list(predictor.predict(SCHEMA.encode_records(records)))


def test_a_frame_is_answered_as_records_are(model: FrameModel, answers: list[float]) -> None:
    assert list(model.predict(pd.DataFrame(PLAIN))) == answers


@pytest.mark.parametrize(
    "column",
    [
        lambda f: f.assign(age=pd.array([3, None, 9], dtype="Int64")),
        lambda f: f.assign(age=pd.array([3, None, 9], dtype="Float64")),
        lambda f: f.assign(age=pd.Series([3, None, 9], dtype=object)),
        lambda f: f.assign(age=pd.Series([3, pd.NA, 9], dtype=object)),
        lambda f: f.assign(height=f["height"].astype("float32")),
        lambda f: f.assign(sort=f["sort"].astype("category")),
        lambda f: f.assign(sort=f["sort"].astype("string")),
        lambda f: f.assign(sort=f["sort"].astype(object)),
        lambda f: f.assign(watered=f["watered"].astype("boolean")),
        lambda f: f.assign(watered=f["watered"].astype(object)),
        lambda f: f.set_index(pd.Index([30, 20, 10])),
        lambda f: f[["watered", "sort", "age", "height"]],
        lambda f: f.assign(other=[[], {}, None]),
        lambda f: f.to_dict("records"),
        lambda f: f.to_dict("list"),
    ],
)
def test_the_answers_do_not_depend_on_how_pandas_holds_the_values(
    model: FrameModel, answers: list[float], column: Callable[[pd.DataFrame], Any]
) -> None:
    assert list(model.predict(column(pd.DataFrame(PLAIN)))) == answers


def test_many_rows_are_answered_as_few(model: FrameModel, answers: list[float]) -> None:
    many = pd.concat([pd.DataFrame(PLAIN)] * 20_000, ignore_index=True)
    assert model.predict(many).tolist() == answers * 20_000


def test_a_violation_far_down_is_named_by_its_row(model: FrameModel) -> None:
    from mlflow.exceptions import MlflowException

    many = pd.concat([pd.DataFrame(PLAIN)] * 20_000, ignore_index=True)
    many.loc[41_000, "sort"] = "quince"
    with pytest.raises(MlflowException, match="row 41000, sort: is not a known category"):
        model.predict(many)


def test_a_nullable_column_that_is_not_there_is_missing_in_all_rows(model: FrameModel) -> None:
    frame = pd.DataFrame(PLAIN)
    left_out = model.predict(frame.drop(columns="age"))
    assert np.array_equal(left_out, model.predict(frame.assign(age=None)))
    assert np.array_equal(left_out, model.predict(frame.assign(age=np.nan)))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"sort": ["pear", "quince", "pear"]}, "row 1, sort: is not a known category"),
        ({"sort": ["pear", None, "pear"]}, "row 1, sort: is missing"),
        ({"sort": [1, 2, 3]}, "row 0, sort: is not text"),
        ({"height": ["1", "2", "3"]}, "row 0, height: is not a number"),
        ({"height": [True, True, True]}, "row 0, height: is not a number"),
        ({"height": [1.0, np.inf, 2.0]}, "row 1, height: is not a finite number"),
        ({"height": [1.0, np.nan, 2.0]}, "row 1, height: is missing"),
        ({"watered": [1, 0, 1]}, "row 0, watered: is not true or false"),
        ({"age": [2.0, 2.5, 3.0]}, "row 1, age: is not a whole number"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_by_row_and_field(
    model: FrameModel, values: dict[str, list[object]], problem: str
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=problem) as refused:
        model.predict(pd.DataFrame({**PLAIN, **values}))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "quince" not in str(refused.value)


def test_columns_that_are_missing_or_double_are_named(model: FrameModel) -> None:
    from mlflow.exceptions import MlflowException

    frame = pd.DataFrame(PLAIN)
    with pytest.raises(MlflowException, match="the data frame: no column 'height', 'sort'"):
        model.predict(frame[["age", "watered"]])
    with pytest.raises(MlflowException, match="column 'age' appears twice"):
        model.predict(pd.concat([frame, frame[["age"]]], axis=1))
