import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from application.ports import Item, Result
from application.scoring.predict_batch import BatchOptions, PredictBatch
from application.scoring.predict_one import PredictOne
from application.scoring.progress import Progress
from domain.data.dataset import Chunk
from domain.data.table import Coded, Table, plain
from domain.errors import (
    ChecksumMismatch,
    Conflict,
    InvalidData,
    InvalidRows,
    NotFound,
    NotSupported,
    Unavailable,
    Violation,
)
from domain.model.reference import ModelRef
from domain.scoring.batch_job import BatchJob, BatchReport, RejectLimit
from domain.scoring.prediction import PredictionOptions
from tests.fakes.data import MemorySink, MemorySource
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import CountingRuntime, MemoryExplainers
from tests.support.houses import DUMMY, HOUSES, SCHEMA, World, columns, source, without
from tests.support.strategies import CELLS, objects


def _trained() -> World:
    world = World()
    world.train()
    return world


WORLD = _trained()
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.one_of(st.none(), st.floats(-10, 210), st.just("old")),
            "rooms": st.one_of(st.none(), st.integers(0, 9)),
            "place": st.one_of(st.sampled_from(["sea", "land", "moon"]), st.none()),
            "note": CELLS,
        }
    ),
    min_size=1,
    max_size=25,
)


def _source(rows: list[dict[str, Any]]) -> MemorySource:
    names = ("note", *SCHEMA.names)
    return MemorySource(Table.of({n: objects([row[n] for row in rows]) for n in names}))


def _output(sink: MemorySink) -> tuple[dict[str, list[Any]], list[Any]]:
    ((job, table),) = sink.tables.items()
    cells = {name: plain(column).tolist() for name, column in table.columns.items()}
    return cells, [reject.to_mapping() for reject in sink.rejects[job]]


def _one_by_one(rows: list[dict[str, Any]]) -> tuple[list[float], list[int]]:
    model = WORLD.load(HOUSES)
    predict = PredictOne(lambda: model, 1)
    values, rejected = [], []
    for number, row in enumerate(rows, 1):
        try:
            values += predict([{name: row[name] for name in SCHEMA.names}]).values
        except InvalidRows:
            rejected.append(number)
    return values, rejected


class SharedSink(MemorySink):
    """A sink whose copies in this process all write to one sink."""

    def __reduce__(self) -> str:
        return "SHARED"


SHARED = SharedSink()


@given(ROWS, st.integers(1, 30), st.integers(1, 4))
def test_a_batch_predicts_like_one_by_one_for_any_chunks_and_workers(
    rows: list[dict[str, Any]], chunk_rows: int, workers: int
) -> None:
    sink = MemorySink()
    report = WORLD.predict(
        _source(rows),
        sink,
        HOUSES,
        BatchOptions(keep=["note"], chunk_rows=chunk_rows, workers=workers),
    )
    cells, rejects = _output(sink)
    values, rejected = _one_by_one(rows)
    assert cells["prediction"] == values
    assert [reject["row"] for reject in rejects] == rejected
    assert cells["model"] == ["houses/1"] * len(values)
    kept = [row["note"] for number, row in enumerate(rows, 1) if number not in rejected]
    assert all(found is given for found, given in zip(cells["note"], kept, strict=True))
    assert (report.rows, report.rejected) == (len(rows), len(rejected))
    assert report.chunks == -(-len(rows) // chunk_rows)
    assert (report.rejects is None) == (not rejected)


@given(ROWS, st.integers(1, 30), st.sampled_from([0.5, 0.9, 0.97]))
def test_a_batch_gives_the_intervals_of_single_rows(
    rows: list[dict[str, Any]], chunk_rows: int, level: float
) -> None:
    sink, options = MemorySink(), PredictionOptions(level, extrapolates=True)
    WORLD.predict(
        _source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows, predictions=options)
    )
    cells, rejects = _output(sink)
    model = WORLD.load(HOUSES)
    predict = PredictOne(lambda: model, 1)
    rejected = {reject["row"] for reject in rejects}
    expected = [
        predict([{name: row[name] for name in SCHEMA.names}], options)
        for number, row in enumerate(rows, 1)
        if number not in rejected
    ]
    assert [*cells] == ["prediction", "lower", "upper", "extrapolates", "model"]
    bounds = [answer.bounds for answer in expected]
    assert cells["lower"] == [float(b.lower[0]) for b in bounds if b is not None]
    assert cells["upper"] == [float(b.upper[0]) for b in bounds if b is not None]
    beyond = [names for answer in expected for names in answer.extrapolates or ()]
    assert cells["extrapolates"] == [", ".join(names) or None for names in beyond]


def test_a_job_with_other_options_does_not_resume() -> None:
    sink = MemorySink(fail_after=2)
    with pytest.raises(Unavailable):
        WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=10))
    sink.fail_after = None
    report = WORLD.predict(
        source(), sink, HOUSES, BatchOptions(chunk_rows=10, predictions=PredictionOptions(0.9))
    )
    assert report.resumed_chunks == 0
    assert WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=10)).resumed_chunks == 2


@pytest.mark.parametrize("level", [0.49, 0.995, float("nan")])
def test_an_unsupported_level_is_refused_before_anything_is_written(level: float) -> None:
    sink = MemorySink()
    with pytest.raises(InvalidData, match="interval: this level is not allowed; allowed: a number"):
        WORLD.predict(source(), sink, HOUSES, BatchOptions(predictions=PredictionOptions(level)))
    assert sink.writes == 0


@given(ROWS, st.integers(1, 10), st.data())
def test_unreadable_rows_are_rejected_with_the_invalid_ones(
    rows: list[dict[str, Any]], chunk_rows: int, data: st.DataObject
) -> None:
    places = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    faults = tuple(Violation(row, "", "has 2 cells", "4 cells") for row in sorted(places))
    table = _source(rows).table
    sink = MemorySink()
    WORLD.predict(
        MemorySource(Table(table.columns, len(table), faults)),
        sink,
        HOUSES,
        BatchOptions(chunk_rows=chunk_rows),
    )
    cells, rejects = _output(sink)
    values, rejected = _one_by_one([row for place, row in enumerate(rows) if place not in places])
    assert cells["prediction"] == values
    assert len(rejects) == len(rejected) + len(places)
    for reject in rejects:
        fields = [error["field"] for error in reject["errors"]]
        assert (fields == [""]) == (reject["row"] - 1 in places)


@given(ROWS, st.integers(1, 10), st.data())
def test_an_interrupted_batch_resumes_to_the_same_output(
    rows: list[dict[str, Any]], chunk_rows: int, data: st.DataObject
) -> None:
    chunks = -(-len(rows) // chunk_rows)
    done = data.draw(st.integers(0, chunks - 1))
    once, sink = MemorySink(), MemorySink(fail_after=done)
    whole = WORLD.predict(_source(rows), once, HOUSES, BatchOptions(chunk_rows=chunk_rows))
    with pytest.raises(Unavailable):
        WORLD.predict(_source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows))
    assert sink.tables == {}
    sink.fail_after = None
    resumed = WORLD.predict(_source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows))
    assert _output(sink) == _output(once)
    assert (whole.resumed_chunks, resumed.resumed_chunks) == (0, done)
    assert (resumed.job, resumed.rows, resumed.rejected, resumed.chunks) == (
        whole.job,
        whole.rows,
        whole.rejected,
        whole.chunks,
    )
    assert sink.writes == once.writes


def test_chunks_of_another_job_are_not_reused() -> None:
    sink = MemorySink(fail_after=2)
    with pytest.raises(Unavailable):
        WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=10))
    sink.fail_after = None
    for other, chunk_rows in ((source(), 20), (source(seed=1), 10)):
        assert (
            WORLD.predict(other, sink, HOUSES, BatchOptions(chunk_rows=chunk_rows)).resumed_chunks
            == 0
        )
    assert WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=10)).resumed_chunks == 2


def test_the_report_of_a_batch() -> None:
    report = WORLD.predict(source(), MemorySink(), HOUSES, BatchOptions(chunk_rows=25))
    assert (report.rows, report.rejected, report.chunks) == (60, 0, 3)
    assert (report.model, report.output, report.rejects) == (
        "houses/1",
        f"memory:{report.job}",
        None,
    )
    assert report.seconds == 1.0


def test_kept_columns_come_first_in_the_order_given() -> None:
    sink = MemorySink()
    WORLD.predict(source(), sink, HOUSES, BatchOptions(keep=["price", "place"]))
    cells, _ = _output(sink)
    assert list(cells) == ["price", "place", "prediction", "model"]
    assert cells["price"] == plain(columns()["price"]).tolist()
    assert cells["place"] == plain(columns()["place"]).tolist()


def test_kept_columns_are_unchanged() -> None:
    sink, codes = MemorySink(), np.zeros(60, dtype=np.int32)
    data = source(changed={"zip": np.arange(60), "city": Coded(codes, ("Ulm",))})
    WORLD.predict(data, sink, HOUSES, BatchOptions(keep=["zip", "city"]))
    cells, _ = _output(sink)
    assert cells["zip"] == list(range(60))
    assert cells["city"] == ["Ulm"] * 60


def test_rejects_have_the_row_number_from_one() -> None:
    rooms = objects([3] * 60)
    rooms[0], rooms[33] = None, 2.5
    place = plain(columns()["place"]).copy()
    place[33] = "moon"
    sink = MemorySink()
    WORLD.predict(
        source(changed={"rooms": rooms, "place": place}), sink, HOUSES, BatchOptions(chunk_rows=7)
    )
    _, rejects = _output(sink)
    assert [(r["row"], [e["field"] for e in r["errors"]]) for r in rejects] == [
        (1, ["rooms"]),
        (34, ["rooms", "place"]),
    ]


def test_a_batch_of_invalid_rows_has_rejects_only() -> None:
    sink = MemorySink()
    report = WORLD.predict(source(changed={"rooms": np.zeros(60)}), sink, HOUSES)
    cells, rejects = _output(sink)
    assert (report.rows, report.rejected, len(rejects)) == (60, 60, 60)
    assert cells == {"prediction": [], "model": []}


def test_progress_grows_to_the_total_also_when_resumed() -> None:
    sink = MemorySink(fail_after=3)
    reported: list[Progress] = []
    with pytest.raises(Unavailable):
        WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=8), progress=reported.append)
    assert [progress.rows for progress in reported] == [0, 8, 16, 24]
    sink.fail_after = None
    reported.clear()
    WORLD.predict(source(), sink, HOUSES, BatchOptions(chunk_rows=8), progress=reported.append)
    rows = (0, 8, 16, 24, 32, 40, 48, 56, 60)
    assert reported == [Progress(row, 60, resumed=min(row, 24)) for row in rows]


@given(ROWS, st.integers(1, 10), st.integers(1, 4))
def test_a_finished_job_is_left_unchanged(
    rows: list[dict[str, Any]], chunk_rows: int, workers: int
) -> None:
    sink = MemorySink()
    first = WORLD.predict(_source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows))
    written, before = sink.writes, _output(sink)
    again = WORLD.predict(
        _source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows, workers=workers)
    )
    assert (first.was_finished, again.was_finished) == (False, True)
    assert (sink.writes, _output(sink)) == (written, before)
    assert again == replace(first, was_finished=True, resumed_chunks=first.chunks)
    other = WORLD.predict(_source(rows), sink, HOUSES, BatchOptions(chunk_rows=chunk_rows + 1))
    assert (other.was_finished, other.rows, other.rejected) == (False, first.rows, first.rejected)


def test_a_job_that_another_run_writes_is_refused() -> None:
    sink, data = MemorySink(), source()
    version = WORLD.load(HOUSES).version
    job = BatchJob(data.version.sha256, version.label, version.bundle_id, 10)
    with sink.locked(job), pytest.raises(Conflict, match="another run"):
        WORLD.predict(data, sink, HOUSES, BatchOptions(chunk_rows=10))
    assert sink.writes == 0
    assert not WORLD.predict(data, sink, HOUSES, BatchOptions(chunk_rows=10)).was_finished


@given(ROWS, st.integers(1, 10), st.integers(1, 4), st.integers(0, 25))
def test_a_job_stops_when_too_many_rows_are_rejected(
    rows: list[dict[str, Any]], chunk_rows: int, workers: int, allowed: int
) -> None:
    sink, (_, rejected) = MemorySink(), _one_by_one(rows)

    def run(limit: RejectLimit) -> BatchReport:
        return WORLD.predict(
            _source(rows),
            sink,
            HOUSES,
            BatchOptions(chunk_rows=chunk_rows, workers=workers, max_rejects=limit),
        )

    if len(rejected) > allowed:
        told = rf"at most {allowed} of {len(rows)} may .* the first is row {rejected[0]}\b"
        with pytest.raises(InvalidData, match=told):
            run(RejectLimit(allowed, Fraction(0)))
        assert sink.tables == {}
    report = run(RejectLimit(len(rejected), Fraction(0)))
    assert report.rejected == len(rejected)
    assert report.resumed_chunks == 0 or len(rejected) > allowed


def test_a_job_with_too_many_rejects_stops_early() -> None:
    sink, limit = MemorySink(), RejectLimit(10, Fraction(0))
    bad = source(changed={"rooms": np.zeros(60)})
    with pytest.raises(InvalidData, match="12 of 12 rows so far break"):
        WORLD.predict(bad, sink, HOUSES, BatchOptions(chunk_rows=4, max_rejects=limit))
    assert sink.writes < 8


class Forgetful(MemorySource):
    """Plans fewer rows than its version says."""

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        yield from [*super().plan(rows_per_chunk)][:-1]


def test_a_source_that_loses_rows_is_refused() -> None:
    sink = MemorySink()
    with pytest.raises(ChecksumMismatch, match="50 rows were read where 60 were counted"):
        WORLD.predict(Forgetful(source().table), sink, HOUSES, BatchOptions(chunk_rows=10))
    assert sink.tables == {}


@pytest.mark.parametrize("data", [source(0), MemorySource(Table({}, 0))])
def test_the_output_of_a_table_without_rows_has_its_columns(data: MemorySource) -> None:
    sink = MemorySink()
    options = BatchOptions(keep=["age", "place"], predictions=PredictionOptions(0.9), explain=True)
    began: list[BatchJob] = []
    report = WORLD.predict(data, sink, HOUSES, options, began=began.append)
    assert (report.rows, report.rejected, report.chunks) == (0, 0, 1)
    (table,) = sink.tables.values()
    assert (len(table), [*table.columns]) == (0, ["age", "place", *began[0].added])
    assert plain(table.column("age")).dtype == np.float64
    again = WORLD.predict(data, sink, HOUSES, options)
    assert (again.was_finished, again.rows, sink.writes) == (True, 0, 1)


@pytest.mark.parametrize(
    ("data", "arguments", "why"),
    [
        (without("rooms"), {}, r"no column 'rooms'; it has 'age', 'place', 'price'"),
        (source(), {"keep": ["zip"]}, r"no column 'zip' to keep; it has 'age', 'rooms', 'place'"),
        (source(), {"keep": ["prediction"]}, r"column 'prediction' cannot be kept"),
        (source(), {"keep": ["model"]}, r"column 'model' cannot be kept"),
        (source(), {"keep": ["age", "age"]}, r"a column to keep is named twice"),
        (source(), {"chunk_rows": 0}, r"chunk rows: 0 is not at least 1"),
    ],
)
def test_an_impossible_job_is_refused_before_anything_is_written(
    data: MemorySource, arguments: dict[str, Any], why: str
) -> None:
    sink = MemorySink()
    with pytest.raises(InvalidData, match=why):
        WORLD.predict(data, sink, HOUSES, BatchOptions(**arguments))
    assert (sink.writes, sink.tables) == (0, {})


def test_the_target_column_is_not_needed() -> None:
    assert WORLD.predict(without("price"), MemorySink(), HOUSES).rows == 60


def test_the_named_model_version_predicts() -> None:
    world = _trained()
    world.train(DUMMY)
    sink = MemorySink()
    report = world.predict(source(), sink, ModelRef("houses", None, 2))
    cells, _ = _output(sink)
    assert report.model == "houses/2"
    assert {*cells["model"]} == {"houses/2"}
    assert len({*cells["prediction"]}) == 1


def test_an_unknown_model_writes_nothing() -> None:
    sink = MemorySink()
    with pytest.raises(NotFound):
        WORLD.predict(source(), sink, ModelRef("flats"))
    assert sink.writes == 0


@dataclass(frozen=True)
class Copying:
    """An executor that pickles tasks, items and results, as between machines."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        sent = pickle.dumps(task)
        for item in items:
            copy, order = pickle.loads(sent), pickle.loads(pickle.dumps(item))
            yield pickle.loads(pickle.dumps(copy(order)))


def test_copies_of_the_task_give_the_same_output() -> None:
    here = MemorySink()
    rooms = objects([3] * 60)
    rooms[33] = 2.5
    data = source(changed={"rooms": rooms})
    expected = WORLD.predict(data, here, HOUSES, BatchOptions(keep=["place"], chunk_rows=7))
    copying = PredictBatch(WORLD.load, Copying())
    report = copying(data, SHARED, HOUSES, BatchOptions(keep=["place"], chunk_rows=7))
    assert (report.job, report.rows, report.rejected) == (expected.job, 60, 1)
    assert _output(SHARED) == _output(here)


def test_contributions_are_columns_that_add_up_to_the_prediction() -> None:
    sink = MemorySink()
    report = WORLD.predict(source(), sink, HOUSES, BatchOptions(explain=True, chunk_rows=7))
    table = sink.tables[report.job]
    names = [f"contribution:{name}" for name in SCHEMA.names]
    assert list(table.columns) == ["prediction", *names, "model"]
    parts = np.column_stack([plain(table.column(name)) for name in names])
    base = plain(table.column("prediction")) - parts.sum(axis=1)
    assert base == pytest.approx(np.full(60, base[0]))
    assert np.ptp(parts) > 1000


def test_a_job_with_contributions_is_another_job() -> None:
    jobs = {
        WORLD.predict(source(), MemorySink(), HOUSES, BatchOptions(explain=e)).job
        for e in (True, False)
    }
    assert len(jobs) == 2


def test_contributions_without_explainers_are_not_supported() -> None:
    bare = replace(WORLD.predict, explainers=None)
    with pytest.raises(NotSupported, match=r"explanations are not available"):
        bare(source(), MemorySink(), HOUSES, BatchOptions(explain=True))


def test_a_batch_with_contributions_encodes_each_row_once() -> None:
    runtime = CountingRuntime()
    load = LoadModel(WORLD.store, runtime, read_manifest)
    predict = PredictBatch(load, MemoryExecutor(), explainers=MemoryExplainers)
    load(HOUSES)
    at_load = runtime.encoded_rows
    predict(source(), MemorySink(), HOUSES, BatchOptions(explain=True))
    assert runtime.encoded_rows == 2 * at_load + 60


@pytest.mark.parametrize("chunk_rows", [7, 1_000])
def test_a_scored_row_and_a_reject_have_their_number_in_the_input(chunk_rows: int) -> None:
    sink, rooms = MemorySink(), objects([3] * 60)
    rooms[33] = 2.5
    options = BatchOptions(row_number=True, chunk_rows=chunk_rows)
    report = WORLD.predict(source(changed={"rooms": rooms}), sink, HOUSES, options)
    cells, rejects = _output(sink)
    assert [*cells] == ["row", "prediction", "model"]
    assert cells["row"] == [row for row in range(1, 61) if row != 34]
    assert [reject["row"] for reject in rejects] == [34]
    plain_job = WORLD.predict(source(changed={"rooms": rooms}), MemorySink(), HOUSES).job
    assert report.job != plain_job


class KeyedSink(MemorySink):
    """A sink with key columns, as a database has."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self._keys = keys

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self._keys


def test_an_output_with_row_as_a_key_always_gets_it() -> None:
    jobs = set()
    for row_number in (True, False):
        sink = KeyedSink("job", "row")
        jobs.add(WORLD.predict(source(), sink, HOUSES, BatchOptions(row_number=row_number)).job)
        assert _output(sink)[0]["row"] == [*range(1, 61)]
    assert len(jobs) == 1


def test_a_kept_column_must_not_be_a_key_of_the_output() -> None:
    sink = KeyedSink("place")
    with pytest.raises(InvalidData, match=r"column 'place' .* 'place' are its key columns"):
        WORLD.predict(source(), sink, HOUSES, BatchOptions(keep=["place"]))
    assert sink.writes == 0
