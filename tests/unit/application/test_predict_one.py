from typing import Any

import pytest

from application.predict_one import PredictOne
from domain.errors import InvalidData, InvalidRows, TooLarge, Unavailable
from tests.unit.application.houses import HOUSES, SCHEMA, World

HOUSE: dict[str, Any] = {"age": 10.0, "rooms": 4, "place": "sea"}


@pytest.fixture
def predict() -> PredictOne:
    world = World()
    world.train()
    model = world.load(HOUSES)
    return PredictOne(lambda: model, max_rows=3)


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
