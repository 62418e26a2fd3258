import pytest

from domain.data.table import plain
from domain.errors import InvalidData, InvalidRows, NotFound
from domain.evaluation.metrics import measure
from domain.model.reference import ModelRef
from tests.support.houses import HOUSES, LINEAR, World, columns, source, split_of, without
from tests.support.strategies import objects


@pytest.fixture
def world() -> World:
    world = World()
    world.train(split_of(LINEAR, 0.3, 7))
    return world


def test_on_its_own_data_a_model_is_judged_by_the_holdout_as_in_training(world: World) -> None:
    report = world.evaluate(source(), HOUSES)
    assert report.holdout_only
    assert report.metrics.rows == 18
    assert report.metrics == world.load(HOUSES).manifest.metrics
    assert report.version.label == "houses/1"
    assert report.data == source().version


def test_on_other_data_a_model_is_judged_by_all_rows(world: World) -> None:
    data = source(40, seed=5)
    report = world.evaluate(data, HOUSES)
    model = world.load(HOUSES)
    matrix = model.manifest.schema.encode_table(data.table).matrix
    target = plain(data.table.column("price"))
    assert not report.holdout_only
    assert report.metrics == measure(target, model.predictor.predict(matrix))
    assert report.metrics.rows == 40


def test_data_that_cannot_judge_is_refused(world: World) -> None:
    rooms = objects(plain(columns()["rooms"]).tolist())
    rooms[4] = None
    with pytest.raises(InvalidRows, match=r"row 5, rooms: is missing"):
        world.evaluate(source(changed={"rooms": rooms}), HOUSES)
    with pytest.raises(InvalidData, match=r"no column 'price', which is the target"):
        world.evaluate(without("price"), HOUSES)


def test_an_unknown_model_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.evaluate(source(), ModelRef("houses", None, 2))
