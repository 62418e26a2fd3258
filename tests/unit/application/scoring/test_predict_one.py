from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from application.model.load_model import LoadedModel
from application.scoring.predict_one import PredictOne
from application.scoring.predict_one import predict as predict_rows
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.data.table import Coded, Table
from domain.errors import InvalidData, InvalidRows, TooLarge, Unavailable
from domain.scoring.prediction import PredictionOptions
from tests.support.houses import HOUSES, SCHEMA, World

HOUSE: dict[str, Any] = {"age": 10.0, "rooms": 4, "place": "sea"}


@pytest.fixture
def model() -> LoadedModel:
    world = World()
    world.train()
    return world.load(HOUSES)


@pytest.fixture
def predict(model: LoadedModel) -> PredictOne:
    return PredictOne(lambda: model, max_rows=3)


def houses(places: tuple[int, ...] = (0, 1, 0), age: float = 10.0) -> Table:
    """Return houses as columns: by the sea (0), on land (1), or on the moon (2)."""
    rows = len(places)
    return Table.of(
        {
            "age": np.full(rows, age),
            "rooms": np.full(rows, 4),
            "place": Coded(np.array(places, dtype=np.int32), ("sea", "land", "moon")),
        }
    )


def test_each_record_gets_its_prediction_and_the_version_is_named(predict: PredictOne) -> None:
    land = {**HOUSE, "place": "land"}
    answer = predict([HOUSE, land])
    assert answer.model == "houses/1"
    assert answer.values == [*predict([HOUSE]).values, *predict([land]).values]
    assert answer.values[1] - answer.values[0] == pytest.approx(90_000, rel=0.2)
    assert all(type(value) is float for value in answer.values)


def test_what_may_be_missing_may_be_left_out(predict: PredictOne) -> None:
    without = {"rooms": 4, "place": "sea"}
    assert predict([without]).values == predict([{**without, "age": None}]).values


def test_the_schema_s_example_is_answered(predict: PredictOne) -> None:
    assert len(predict([SCHEMA.example]).values) == 1


def test_an_interval_holds_its_prediction_and_is_wider_at_a_higher_level(
    predict: PredictOne,
) -> None:
    narrow, wide = (predict([HOUSE], PredictionOptions(level)) for level in (0.5, 0.9))
    assert narrow.values == wide.values == predict([HOUSE]).values
    assert narrow.bounds is not None
    assert wide.bounds is not None
    ((low, high),), ((lowest, highest),) = narrow.bounds.pairs, wide.bounds.pairs
    assert lowest < low < wide.values[0] < high < highest
    assert wide.to_mapping() == {
        "predictions": wide.values,
        "intervals": [[lowest, highest]],
        "model": "houses/1",
    }


def test_rows_beyond_the_training_data_are_told_by_feature(predict: PredictOne) -> None:
    far = {**HOUSE, "age": 199.0, "rooms": 77}
    answer = predict([HOUSE, far], PredictionOptions(extrapolates=True))
    assert answer.to_mapping()["extrapolates"] == [[], ["age", "rooms"]]
    assert "extrapolates" not in predict([far]).to_mapping()


def test_columns_get_the_same_intervals_as_records(predict: PredictOne, model: LoadedModel) -> None:
    options = PredictionOptions(0.9, extrapolates=True)
    places = [{**HOUSE, "place": place} for place in ("sea", "land", "sea")]
    matrix = predict.encode_table(houses(), model, options)
    assert (
        predict_rows(model, matrix, options).to_mapping() == predict(places, options).to_mapping()
    )


def test_a_model_without_intervals_says_so() -> None:
    world = World(calibrating=False)
    world.train()
    plain = world.load(HOUSES)
    predict = PredictOne(lambda: plain, max_rows=3)
    assert len(predict([HOUSE]).values) == 1
    with pytest.raises(InvalidData, match="houses/1 was trained without intervals"):
        predict([HOUSE], PredictionOptions(0.9))
    with pytest.raises(InvalidData, match="houses/1 has no profile of its data"):
        PredictOne(lambda: replace(plain, applicability=None), 3)(
            [HOUSE], PredictionOptions(extrapolates=True)
        )


def test_an_interval_without_a_finite_end_is_no_answer(model: LoadedModel) -> None:
    assert model.intervals is not None
    boundless = replace(model.intervals, error_scale=Boundless())
    predict = PredictOne(lambda: replace(model, intervals=boundless), max_rows=3)
    with pytest.raises(InvalidRows, match="has no finite prediction"):
        predict([HOUSE], PredictionOptions(0.9))


class Boundless:
    """An error-scale model that expects errors beyond every number."""

    def predict(self, matrix: Matrix) -> Vector:
        return np.full(len(matrix), 1e200)


def test_as_many_rows_as_allowed_are_answered_and_no_more(predict: PredictOne) -> None:
    assert len(predict([HOUSE] * 3).values) == 3
    with pytest.raises(TooLarge, match=r"^4 rows in one request; allowed: 3$"):
        predict([HOUSE] * 4)


def test_no_rows_are_no_question(predict: PredictOne) -> None:
    with pytest.raises(InvalidData, match=r"there are no rows to predict"):
        predict([])


def test_one_bad_record_refuses_all_and_every_fault_is_named(predict: PredictOne) -> None:
    with pytest.raises(InvalidRows) as error:
        predict([HOUSE, {**HOUSE, "place": "moon", "colour": "red"}, {"rooms": 0}])
    assert [(v.row, v.field) for v in error.value.violations] == [
        (1, "place"),
        (1, ""),
        (2, "rooms"),
        (2, "place"),
    ]
    assert "moon" not in str(error.value)
    assert "colour" not in str(error.value)


def test_limits_are_checked_before_a_model_is_asked_for() -> None:
    def none_yet() -> Any:
        raise Unavailable("not ready")

    predict = PredictOne(none_yet, max_rows=1)
    with pytest.raises(TooLarge):
        predict([HOUSE, HOUSE])
    with pytest.raises(Unavailable):
        predict([HOUSE])


def test_a_table_is_encoded_as_its_records(predict: PredictOne, model: LoadedModel) -> None:
    rows = [{"rooms": 4, "place": place} for place in ("sea", "land", "sea")]
    matrix = predict.encode_table(houses(age=np.nan), model)
    np.testing.assert_array_equal(matrix, predict.encode(rows, model), strict=True)


def test_a_table_has_the_limits_of_records(predict: PredictOne, model: LoadedModel) -> None:
    with pytest.raises(TooLarge, match=r"^4 rows in one request; allowed: 3$"):
        predict.encode_table(houses((0, 0, 0, 0)), model)
    with pytest.raises(InvalidData, match=r"there are no rows to predict"):
        predict.encode_table(houses(()), model)


def test_one_bad_row_of_a_table_refuses_all(predict: PredictOne, model: LoadedModel) -> None:
    with pytest.raises(InvalidRows) as error:
        predict.encode_table(houses((0, 2, 2)), model)
    assert [(v.row, v.field) for v in error.value.violations] == [(1, "place"), (2, "place")]
    assert "moon" not in str(error.value)


def test_a_table_that_lacks_a_feature_is_refused(predict: PredictOne, model: LoadedModel) -> None:
    with pytest.raises(InvalidData, match="no column 'rooms', 'place'"):
        predict.encode_table(Table.of({"age": np.ones(1)}), model)
