import pickle

import numpy as np
import pytest

from domain.data.dataset import DatasetVersion
from domain.data.feature import Kind
from domain.data.schema import Schema
from domain.data.table import Coded, Table
from domain.errors import ArtefactRejected, InvalidData, Misconfigured, Unavailable, Violation
from domain.features.encoding import ENCODING
from domain.model.bundle import GRAPH
from domain.scoring.batch_job import BatchJob, Reject
from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.fakes.data import MemorySink, MemorySource
from tests.fakes.model import MemoryRuntime
from tests.fakes.training import MemoryLearner

JOB = BatchJob("ab" * 32, "orchard/1", "cd" * 32, chunk_rows=2)
REJECT = Reject(3, (Violation(0, "age", "is missing", "an integer"),))


def part(*values: float) -> Table:
    return Table.of({"prediction": np.array(values)})


def test_a_source_is_read_in_chunks_that_cover_every_row_once(small_table: Table) -> None:
    source = pickle.loads(pickle.dumps(MemorySource(small_table)))
    assert source.columns == ("height", "age", "sort", "watered", "yield")
    chunks = list(source.plan(25))
    assert [(chunk.index, chunk.start, chunk.rows) for chunk in chunks] == [
        (0, 0, 25),
        (1, 25, 25),
        (2, 50, 10),
    ]
    heights = [source.read(chunk, {"height": Kind.NUMBER}).column("height") for chunk in chunks]
    np.testing.assert_array_equal(np.concatenate(heights), small_table.column("height"))


def test_the_version_of_a_source_follows_from_its_content(small_table: Table) -> None:
    version = MemorySource(small_table).version
    assert version.rows == 60
    coded = small_table.column("sort")
    assert isinstance(coded, Coded)
    as_text = Table.of({**small_table.columns, "sort": coded.decoded()})
    assert MemorySource(as_text).version == version
    assert MemorySource(small_table[:59]).version.sha256 != version.sha256
    renamed = Table.of({f"{name}_": column for name, column in small_table.columns.items()})
    assert MemorySource(renamed).version.sha256 != version.sha256


def test_a_source_can_have_a_given_version(small_table: Table) -> None:
    version = DatasetVersion("sample:60", "ef" * 32, 60, simulated=True)
    assert MemorySource(small_table, version).version is version


def test_numbers_among_objects_are_read_as_numbers_if_all_of_them_are() -> None:
    cells = {"good": [1, None, 2.5], "bad": [1, "two", None], "flags": [True, 1, 2]}
    columns = {name: np.array(values, dtype=object) for name, values in cells.items()}
    source = MemorySource(Table.of(columns))
    (chunk,) = source.plan(10)
    read = source.read(chunk, dict.fromkeys(cells, Kind.NUMBER))
    np.testing.assert_array_equal(read.column("good"), [1.0, np.nan, 2.5])
    for name in ("bad", "flags"):
        column = read.column(name)
        assert isinstance(column, np.ndarray)
        assert column.tolist() == cells[name]
    untouched = source.read(chunk, {"good": None}).column("good")
    assert isinstance(untouched, np.ndarray)
    assert untouched.tolist() == cells["good"]


def test_a_column_that_is_missing_in_a_source_is_refused(small_table: Table) -> None:
    source = MemorySource(small_table)
    with pytest.raises(InvalidData, match="no column 'girth'"):
        source.read(next(source.plan(10)), {"girth": None})


def test_a_sink_gives_all_chunks_in_order_once_they_are_published() -> None:
    sink = MemorySink()
    sink.write_chunk(JOB, 1, part(3.0), [REJECT])
    receipt = sink.write_chunk(JOB, 0, part(1.0, 2.0), [])
    assert (receipt.index, receipt.scored, receipt.rejected) == (0, 2, 0)
    assert {i: (r.scored, r.rejected) for i, r in sink.completed_chunks(JOB).items()} == {
        0: (2, 0),
        1: (1, 1),
    }
    assert sink.tables == {}
    published = sink.publish(JOB, 2)
    assert (published.output, published.rejects) == (f"memory:{JOB.id}", f"memory:{JOB.id}/rejects")
    np.testing.assert_array_equal(sink.tables[JOB.id].column("prediction"), [1.0, 2.0, 3.0])
    assert sink.rejects[JOB.id] == [REJECT]
    assert sink.completed_chunks(JOB) == {}


def test_a_chunk_that_is_written_again_is_replaced() -> None:
    sink = MemorySink()
    sink.write_chunk(JOB, 0, part(1.0), [REJECT])
    sink.write_chunk(JOB, 0, part(2.0), [])
    assert sink.publish(JOB, 1).rejects is None
    np.testing.assert_array_equal(sink.tables[JOB.id].column("prediction"), [2.0])


def test_a_sink_can_fail_after_some_chunks_and_keeps_those() -> None:
    sink = MemorySink(fail_after=1)
    sink.write_chunk(JOB, 0, part(1.0), [])
    with pytest.raises(Unavailable, match="cannot write after 1 chunks"):
        sink.write_chunk(JOB, 1, part(2.0), [])
    with pytest.raises(Unavailable, match="chunk 1 of 2 is not written"):
        sink.publish(JOB, 2)
    assert [*sink.completed_chunks(JOB)] == [0]
    sink.fail_after = None
    sink.write_chunk(JOB, 1, part(2.0), [])
    sink.publish(JOB, 2)
    np.testing.assert_array_equal(sink.tables[JOB.id].column("prediction"), [1.0, 2.0])


@pytest.mark.parametrize("estimator", list(Estimator))
def test_what_was_learnt_answers_the_same_from_its_files_and_row_by_row(
    small_schema: Schema, small_table: Table, estimator: Estimator
) -> None:
    matrix = small_schema.encode_table(small_table).matrix
    target = small_schema.encode_target(small_table)[0]
    learner = MemoryLearner()
    trained = learner.fit(TrainingSpec(estimator), small_schema, matrix, target)
    again = learner.fit(TrainingSpec(estimator), small_schema, matrix, target)
    assert trained.files == again.files
    loaded = MemoryRuntime().load(small_schema, trained.files)
    answers = loaded.predict(matrix)
    np.testing.assert_array_equal(answers, trained.predictor.predict(matrix))
    one_by_one = [loaded.predict(matrix[row : row + 1])[0] for row in range(len(matrix))]
    np.testing.assert_array_equal(answers, one_by_one)
    spread = np.std(target - answers)
    mean_only = estimator is Estimator.DUMMY
    assert np.ptp(answers) == 0 if mean_only else spread < np.std(target) / 4
    assert np.mean(answers) == pytest.approx(np.mean(target))


def test_a_penalty_draws_the_answers_to_the_mean(small_schema: Schema, small_table: Table) -> None:
    matrix = small_schema.encode_table(small_table).matrix
    target = small_schema.encode_target(small_table)[0]
    spreads = []
    for alpha in (0, 100.0, 10_000.0):
        spec = TrainingSpec(Estimator.RIDGE, {"alpha": alpha})
        trained = MemoryLearner().fit(spec, small_schema, matrix, target)
        assert trained.parameters == {"alpha": alpha}
        spreads.append(np.std(trained.predictor.predict(matrix)))
    assert spreads[0] > spreads[1] > spreads[2]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"beta": 1.0}, "unknown parameter 'beta'; allowed: alpha"),
        ({"alpha": -1}, "alpha: -1 is not"),
        ({"alpha": "much"}, "alpha: 'much' is not"),
        ({"alpha": True}, "alpha: True is not"),
    ],
)
def test_a_parameter_that_is_not_allowed_is_named(
    small_schema: Schema, parameters: dict[str, Parameter], problem: str
) -> None:
    spec = TrainingSpec(Estimator.RIDGE, parameters)
    with pytest.raises(Misconfigured, match=f"ridge: {problem}"):
        MemoryLearner().fit(spec, small_schema, np.zeros((2, 4)), np.zeros(2))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (ENCODING, None, "the bundle has no features.json"),
        (GRAPH, None, "the bundle has no model.onnx"),
        (ENCODING, b"{", "cannot be read"),
        (ENCODING, b'{"columns": [], "fill": {}}', "features.json"),
        (GRAPH, b'{"intercept": "1", "coefficients": []}', "cannot be read"),
        (GRAPH, b'{"intercept": 1, "coefficients": [1]}', "one coefficient for each column"),
    ],
)
def test_files_that_are_no_model_are_rejected(
    small_schema: Schema, small_table: Table, name: str, content: bytes | None, problem: str
) -> None:
    matrix = small_schema.encode_table(small_table).matrix
    target = small_schema.encode_target(small_table)[0]
    files = dict(MemoryLearner().fit(TrainingSpec(), small_schema, matrix, target).files)
    if content is None:
        del files[name]
    else:
        files[name] = content
    with pytest.raises(ArtefactRejected, match=problem):
        MemoryRuntime().load(small_schema, files)
