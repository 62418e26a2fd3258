import multiprocessing
import pickle
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from adapters.formats.manifest_file import read_manifest
from adapters.sql.sql_sink import SqlSink
from adapters.sql.sql_source import SqlSource
from application.model.load_model import LoadModel
from application.ports import PublishedOutput
from application.scoring.predict_batch import BatchOptions, PredictBatch
from domain.data.table import Coded, Table, plain
from domain.errors import Conflict, InvalidData, Misconfigured, NotFound, Unavailable, Violation
from domain.model.reference import ModelRef
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject
from entrypoints.wiring.data_uris import open_sink, open_source
from entrypoints.wiring.settings import Settings
from tests.fakes.data import MemorySource
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import MemoryRuntime, MemoryStore
from tests.integration.contracts.prediction_sink import (
    Damage,
    ReadBack,
    Reopened,
    SharedSinkContract,
    Written,
)
from tests.integration.processes import free_port
from tests.integration.sql.tables import connected, execute, rows_of, tables_of
from tests.support.samples import NAME, sample_bundle, sample_table

JOB = BatchJob("0" * 64, "orchard/1", "1" * 64, 3, ("sort", "age"))
OTHER = replace(JOB, model="orchard/2")
MISSING = Violation(0, "height", "is missing", "a number from 0.5 to 12 (m)")
TOO_OLD = Violation(0, "age", "is out of range", "an integer of at least 1 (years)")
REJECTS = (Reject(2, (MISSING, TOO_OLD)), Reject(5, (MISSING,)))
ALL = 'SELECT job, chunk, "row", sort, age, prediction, model FROM scored ORDER BY 1, 2, 3'
FAULTS = 'SELECT chunk, "row", error, field, problem, allowed FROM scored_rejects ORDER BY 1, 2, 3'
NAMES = ("id", "note", "row", "prediction", "model")
PROCESSES = 4


def numbered(**columns: Any) -> Table:
    """Return a table whose rows are the first of the input."""
    rows = len(next(iter(columns.values())))
    return Table({**columns, "row": np.arange(1, rows + 1)}, rows)


def scored(predictions: Sequence[float], model: str = "orchard/1") -> Table:
    rows = len(predictions)
    return Table(
        {
            "row": np.arange(1, rows + 1),
            "sort": Coded(np.arange(rows, dtype=np.int32) % 3 - 1, ("apple", "pear")),
            "age": np.array([np.nan if i == 0 else i + 0.5 for i in range(rows)]),
            "prediction": np.array(predictions, dtype=np.float64),
            "model": Coded(np.zeros(rows, dtype=np.int32), (model,)),
        },
        rows,
    )


def lines(job: BatchJob, chunk: int, predictions: Sequence[float]) -> list[tuple[Any, ...]]:
    table = scored(predictions, job.model)
    columns = {name: plain(column).tolist() for name, column in table.columns.items()}
    columns["age"] = [None if np.isnan(age) else age for age in columns["age"]]
    return [(job.id, chunk, *line) for line in zip(*columns.values(), strict=True)]


@pytest.fixture
def sink(database_url: str) -> SqlSink:
    return SqlSink(f"{database_url}#scored")


class TestSqlSink(SharedSinkContract):
    @pytest.fixture
    def reopened(self, database_url: str) -> Reopened:
        return lambda: SqlSink(f"{database_url}#scored")

    @pytest.fixture
    def remove_rows(self, database_url: str) -> Damage:
        query = "DELETE FROM scored WHERE chunk = 1 AND job = '{}'"
        return lambda job: execute(database_url, query.format(job.id))

    @pytest.fixture
    def remove_rejects(self, database_url: str) -> Damage:
        query = "DELETE FROM scored_rejects WHERE chunk = 0 AND job = '{}'"
        return lambda job: execute(database_url, query.format(job.id))

    @pytest.fixture
    def read_back(self, database_url: str) -> ReadBack:
        def read(job: BatchJob, published: PublishedOutput) -> Written:
            assert published.output.endswith(f"#scored (job {job.id})")
            place = f"WHERE job = '{job.id}' ORDER BY chunk, \"row\""
            quoted = ", ".join(f'"{name}"' for name in NAMES)
            query = f"SELECT {quoted} FROM scored {place}"
            columns = zip(*rows_of(database_url, query), strict=True)
            rejects: dict[int, dict[str, Any]] = {}
            of_row = '"row", file, row_in_file, field, problem, allowed'
            query = f"SELECT {of_row} FROM scored_rejects {place}, error"
            for row, file, row_in_file, *words in rows_of(database_url, query):
                fault = dict(zip(("field", "problem", "allowed"), words, strict=True))
                where = {"file": file, "row_in_file": row_in_file} if file else {}
                assert (file is None) == (row_in_file is None)
                rejects.setdefault(row, {"row": row, **where, "errors": []})["errors"].append(fault)
            assert (published.rejects is None) == (not rejects)
            return Written(
                {n: list(c) for n, c in zip(NAMES, columns, strict=True)},
                list(rejects.values()),
            )

        return read


class TestWriting:
    def test_rows_have_job_chunk_and_index(self, sink: SqlSink, database_url: str) -> None:
        assert sink.write_chunk(JOB, 1, scored([4.5]), ()) == ChunkReceipt(1, 1, 0)
        assert sink.write_chunk(JOB, 0, scored([1.5, 2.5, 1 / 3]), REJECTS) == ChunkReceipt(0, 3, 2)
        found = rows_of(database_url, ALL)
        assert found == [*lines(JOB, 0, [1.5, 2.5, 1 / 3]), *lines(JOB, 1, [4.5])]

    def test_every_violation_of_a_reject_is_a_row(self, sink: SqlSink, database_url: str) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), REJECTS)
        words = {v: (v.field, v.problem, v.allowed) for v in (MISSING, TOO_OLD)}
        assert rows_of(database_url, FAULTS) == [
            (0, 2, 0, *words[MISSING]),
            (0, 2, 1, *words[TOO_OLD]),
            (0, 5, 0, *words[MISSING]),
        ]

    def test_a_chunk_that_is_written_again_is_replaced(
        self, sink: SqlSink, database_url: str
    ) -> None:
        sink.write_chunk(JOB, 0, scored([1.5, 2.5, 3.5]), REJECTS)
        sink.write_chunk(JOB, 1, scored([9.5]), REJECTS[1:])
        sink.write_chunk(JOB, 0, scored([7.5]), REJECTS[:1])
        assert rows_of(database_url, ALL) == [*lines(JOB, 0, [7.5]), *lines(JOB, 1, [9.5])]
        assert [line[:3] for line in rows_of(database_url, FAULTS)] == [
            (0, 2, 0),
            (0, 2, 1),
            (1, 5, 0),
        ]
        assert sink.completed_chunks(JOB) == {0: ChunkReceipt(0, 1, 1), 1: ChunkReceipt(1, 1, 1)}

    def test_jobs_are_appended_to_each_other(self, sink: SqlSink, database_url: str) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        sink.write_chunk(OTHER, 0, scored([2.5], "orchard/2"), ())
        expected = sorted([*lines(JOB, 0, [1.5]), *lines(OTHER, 0, [2.5])])
        assert rows_of(database_url, ALL) == expected

    def test_a_chunk_without_a_scored_row_has_a_receipt(
        self, sink: SqlSink, database_url: str
    ) -> None:
        assert sink.write_chunk(JOB, 0, scored([]), REJECTS) == ChunkReceipt(0, 0, 2)
        assert rows_of(database_url, ALL) == []
        assert sink.completed_chunks(JOB) == {0: ChunkReceipt(0, 0, 2)}

    def test_columns_keep_their_types(self, sink: SqlSink, database_url: str) -> None:
        columns: dict[str, Any] = {
            "whole": np.array([2**53 + 1, -5]),
            "gaps": np.array([2**60, None], dtype=object),
            "number": np.array([0.1, 1e300]),
            "mixed": np.array([1, 2.5], dtype=object),
            "flag": np.array([True, False]),
            "text": np.array(["naïve", None], dtype=object),
            "none": np.array([None, None], dtype=object),
            "any": np.array(["a", 5], dtype=object),
            "a b%": np.array(['quote"d', ""], dtype=object),
            "day": np.array(["2024-02-29", "NaT"], dtype="datetime64[D]"),
        }
        sink.write_chunk(JOB, 0, numbered(**columns), ())
        with connected(database_url) as connection:
            table = sa.Table("scored", sa.MetaData(), autoload_with=connection)
            rows = connection.execute(sa.select(table).order_by(table.c.row)).mappings().all()
        assert [{name: row[name] for name in columns} for row in rows] == [
            {
                "whole": 2**53 + 1,
                "gaps": 2**60,
                "number": 0.1,
                "mixed": 1.0,
                "flag": True,
                "text": "naïve",
                "none": None,
                "any": "a",
                "a b%": 'quote"d',
                "day": "2024-02-29",
            },
            {
                "whole": -5,
                "gaps": None,
                "number": 1e300,
                "mixed": 2.5,
                "flag": False,
                "text": None,
                "none": None,
                "any": "5",
                "a b%": "",
                "day": None,
            },
        ]

    def test_an_existing_table_is_written_to(self, sink: SqlSink, database_url: str) -> None:
        execute(
            database_url,
            'CREATE TABLE scored (id INTEGER, job TEXT, chunk INTEGER, "row" INTEGER, '
            "sort VARCHAR(9), age NUMERIC(9, 2), prediction REAL, model TEXT)",
        )
        sink.write_chunk(JOB, 0, scored([1.5, 2.5]), ())
        assert rows_of(database_url, ALL) == lines(JOB, 0, [1.5, 2.5])

    def test_a_schema_may_be_named(self, postgres_url: str) -> None:
        execute(postgres_url, "CREATE SCHEMA results")
        sink = SqlSink(f"{postgres_url}#results.scored")
        sink.write_chunk(JOB, 0, scored([1.5]), REJECTS)
        assert sink.completed_chunks(JOB) == {0: ChunkReceipt(0, 1, 2)}
        assert sink.publish(JOB, 1).output.endswith(f"#results.scored (job {JOB.id})")
        assert rows_of(postgres_url, "SELECT prediction FROM results.scored") == [(1.5,)]
        assert tables_of(postgres_url) == set()


class TestSealing:
    def test_a_job_is_finished_when_it_is_published(self, sink: SqlSink, database_url: str) -> None:
        query = "SELECT job, status, model, finished_at IS NULL FROM scored_jobs"
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        assert rows_of(database_url, query) == [(JOB.id, "running", "orchard/1", True)]
        published = sink.publish(JOB, 1)
        assert rows_of(database_url, query) == [(JOB.id, "finished", "orchard/1", False)]
        assert published.output.endswith(f"#scored (job {JOB.id})")
        assert published.rejects is None
        assert "sesame" not in published.output

    def test_rejects_are_reported(self, sink: SqlSink) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        sink.write_chunk(JOB, 1, scored([1.5]), REJECTS)
        rejects = sink.publish(JOB, 2).rejects
        assert rejects is not None
        assert rejects.endswith(f"#scored_rejects (job {JOB.id})")

    def test_a_missing_chunk_prevents_publishing(self, sink: SqlSink, database_url: str) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        sink.write_chunk(JOB, 2, scored([1.5]), ())
        with pytest.raises(Unavailable, match="chunk 1 of 3 is not written"):
            sink.publish(JOB, 3)
        assert rows_of(database_url, "SELECT status FROM scored_jobs") == [("running",)]

    def test_an_identical_job_does_not_double_the_rows(
        self, sink: SqlSink, database_url: str
    ) -> None:
        for again in (sink, SqlSink(f"{database_url}#scored")):
            assert again.completed_chunks(JOB) == {}
            again.write_chunk(JOB, 0, scored([1.5, 2.5]), REJECTS)
            again.publish(JOB, 1)
        assert rows_of(database_url, ALL) == lines(JOB, 0, [1.5, 2.5])
        assert len(rows_of(database_url, FAULTS)) == 3
        assert rows_of(database_url, "SELECT job, status FROM scored_jobs") == [
            (JOB.id, "finished")
        ]


class TestResuming:
    def test_a_query_creates_nothing(self, sink: SqlSink, database_url: str) -> None:
        assert sink.completed_chunks(JOB) == {}
        assert tables_of(database_url) == set()

    def test_a_later_process_finds_what_was_written(self, sink: SqlSink, database_url: str) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        sink.write_chunk(JOB, 3, scored([1.5, 2.5]), REJECTS)
        later = pickle.loads(pickle.dumps(SqlSink(f"{database_url}#scored")))
        assert later.completed_chunks(JOB) == {0: ChunkReceipt(0, 1, 0), 3: ChunkReceipt(3, 2, 2)}
        assert later.completed_chunks(OTHER) == {}

    def test_chunks_of_an_earlier_release_are_written_again(
        self, sink: SqlSink, database_url: str
    ) -> None:
        sink.write_chunk(JOB, 0, scored([1.5, 2.5]), ())
        sink.write_chunk(JOB, 1, scored([]), REJECTS)
        sink.publish(JOB, 2)
        assert sink.finished(JOB) is not None
        execute(database_url, 'UPDATE scored SET "row" = "row" - 1')
        assert sink.finished(JOB) is None
        execute(database_url, "UPDATE scored_jobs SET status = 'running'")
        assert sorted(sink.completed_chunks(JOB)) == [1]


class TestRefusals:
    def test_a_table_without_the_columns_is_refused(self, sink: SqlSink, database_url: str) -> None:
        execute(database_url, "CREATE TABLE scored (job TEXT, prediction TEXT)")
        with pytest.raises(
            Conflict,
            match="without column 'chunk', 'row', 'sort', 'age', 'model'; it has 'job', 'pred",
        ):
            sink.write_chunk(JOB, 0, scored([1.5]), ())
        assert rows_of(database_url, "SELECT * FROM scored") == []
        assert tables_of(database_url) == {"scored"}

    def test_a_missing_schema_is_refused_with_the_way_to_write_a_dot(
        self, database_url: str
    ) -> None:
        sink = SqlSink(f"{database_url}#eu.sales")
        with pytest.raises(NotFound, match=r"no schema 'eu'; .*%2E: #eu%2Esales$"):
            sink.write_chunk(JOB, 0, scored([1.5]), ())
        assert SqlSink(f"{database_url}#eu%2Esales").uri.endswith("#eu%2Esales")

    def test_an_old_rejects_table_is_refused_with_the_missing_columns(
        self, sink: SqlSink, database_url: str
    ) -> None:
        sink.write_chunk(JOB, 0, scored([1.5]), ())
        execute(database_url, "ALTER TABLE scored_rejects DROP COLUMN row_in_file")
        with pytest.raises(Conflict, match=r"'scored_rejects' .* without column 'row_in_file'"):
            SqlSink(f"{database_url}#scored").write_chunk(JOB, 1, scored([1.5]), ())

    def test_another_kind_of_value_is_refused_with_the_column(
        self, sink: SqlSink, database_url: str
    ) -> None:
        sink.write_chunk(JOB, 0, numbered(id=np.array([1, 2])), ())
        with pytest.raises(InvalidData, match=r"column 'id' \(BIGINT\) cannot hold text"):
            sink.write_chunk(JOB, 1, numbered(id=np.array(["x"], dtype=object)), ())
        assert rows_of(database_url, "SELECT id FROM scored ORDER BY 1") == [(1,), (2,)]

    def test_a_text_column_holds_every_type_of_value(
        self, sink: SqlSink, database_url: str
    ) -> None:
        kinds: list[list[Any]] = [[None, None], ["x", None], [1, 2], [0.5, None], [True, False]]
        for index, values in enumerate(kinds):
            sink.write_chunk(JOB, index, numbered(id=np.array(values, dtype=object)), ())
        found = rows_of(database_url, 'SELECT id FROM scored ORDER BY chunk, "row"')
        assert [row[0] for row in found] == [
            *(None, None, "x", None),
            *("1", "2", "0.5", None, "true", "false"),
        ]

    @pytest.mark.parametrize("name", ["job", "Row"])
    def test_a_column_named_like_a_key_column_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidData, match=f"column '{name}' cannot be written"):
            SqlSink("sqlite://#scored").write_chunk(JOB, 0, Table.of({name: np.array([1])}), ())

    def test_a_failed_chunk_leaves_the_earlier_one(self, sink: SqlSink, database_url: str) -> None:
        execute(
            database_url,
            'CREATE TABLE scored (job TEXT, chunk INTEGER, "row" INTEGER, sort TEXT, '
            "age FLOAT, prediction FLOAT CHECK (prediction > 0), model TEXT)",
        )
        sink.write_chunk(JOB, 0, scored([1.5, 2.5]), REJECTS[:1])
        with pytest.raises(Conflict, match=r"CHECK|check"):
            sink.write_chunk(JOB, 0, scored([3.5, -1.0]), REJECTS)
        assert rows_of(database_url, ALL) == lines(JOB, 0, [1.5, 2.5])
        assert sink.completed_chunks(JOB) == {0: ChunkReceipt(0, 2, 1)}

    def test_text_that_postgresql_cannot_store_is_refused(self, postgres_url: str) -> None:
        sink = SqlSink(f"{postgres_url}#scored")
        with pytest.raises(InvalidData, match="NUL"):
            sink.write_chunk(JOB, 0, numbered(note=np.array(["a\0b"], dtype=object)), ())
        assert sink.completed_chunks(JOB) == {}

    def test_a_server_that_is_down_is_unavailable(self) -> None:
        sink = SqlSink(f"postgresql+psycopg://modelport:hush@127.0.0.1:{free_port()}/db#scored")
        for attempt in (
            lambda: sink.completed_chunks(JOB),
            lambda: sink.write_chunk(JOB, 0, scored([1.5]), ()),
            lambda: sink.publish(JOB, 1),
        ):
            with pytest.raises(Unavailable, match="refused") as e:
                attempt()
            assert "hush" not in str(e.value)

    def test_a_url_without_a_table_is_refused(self) -> None:
        with pytest.raises(Misconfigured, match="name its table after a #"):
            SqlSink("sqlite:///x.db")


def _write(url: str, number: int, start: "multiprocessing.synchronize.Barrier") -> None:
    sink = SqlSink(url)
    start.wait(60)
    for index in (0, 10 + number):
        sink.write_chunk(JOB, index, scored([1.5, 2.5, 3.5]), REJECTS)


@pytest.mark.slow
def test_processes_can_write_concurrently(sink: SqlSink, database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    url = f"{database_url}#scored"
    workers = [
        context.Process(target=_write, args=(url, number, start)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    expected = [0, *(10 + number for number in range(PROCESSES))]
    assert sorted(sink.completed_chunks(JOB)) == expected
    assert rows_of(database_url, ALL) == [
        line for index in expected for line in lines(JOB, index, [1.5, 2.5, 3.5])
    ]


def test_one_table_is_scored_into_another_of_the_same_database(database_url: str) -> None:
    table = sample_table(25)
    columns = {name: plain(column).tolist() for name, column in table.columns.items()}
    columns["height"][4] = 99.0
    columns["age"] = [None if np.isnan(age) else int(age) for age in columns["age"]]
    types: dict[str, Any] = {
        "height": sa.Double(),
        "age": sa.Integer(),
        "sort": sa.Text(),
        "watered": sa.Boolean(),
    }
    trees = sa.Table(
        "trees",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, kind) for name, kind in types.items()),
    )
    with connected(database_url) as connection:
        trees.create(connection)
        rows = zip(*(columns[name] for name in types), strict=True)
        inserted = [{"id": i, **dict(zip(types, row, strict=True))} for i, row in enumerate(rows)]
        connection.execute(sa.insert(trees), inserted)
    store = MemoryStore()
    version = store.save(NAME, sample_bundle(), datetime.now(UTC), {})
    predict = PredictBatch(LoadModel(store, MemoryRuntime(), read_manifest), MemoryExecutor())
    for _ in range(2):
        report = predict(
            SqlSource(f"{database_url}#trees"),
            SqlSink(f"{database_url}#scored"),
            ModelRef(NAME, None, version.number),
            BatchOptions(keep=["id", "age"], chunk_rows=7),
        )
        assert (report.rows, report.rejected, report.chunks) == (25, 1, 4)
        found = rows_of(database_url, 'SELECT id, age FROM scored ORDER BY chunk, "row"')
        assert found == [(i, columns["age"][i]) for i in range(25) if i != 4]
        assert rows_of(database_url, 'SELECT "row", field FROM scored_rejects') == [(5, "height")]
        numbered = rows_of(
            database_url,
            'SELECT "row", id, field FROM scored FULL JOIN scored_rejects USING (job, "row")',
        )
        assert sorted(numbered) == [
            (row, None, "height") if row == 5 else (row, row - 1, None) for row in range(1, 26)
        ]
    with pytest.raises(InvalidData, match="column 'Row' cannot be written"):
        predict(
            MemorySource(Table.of({**table.columns, "Row": table.column("age")})),
            SqlSink(f"{database_url}#other"),
            ModelRef(NAME, None, version.number),
            BatchOptions(keep=["Row"]),
        )
    assert "other_jobs" not in tables_of(database_url)


def test_new_rows_replace_those_with_the_same_key(database_url: str) -> None:
    store = MemoryStore()
    version = store.save(NAME, sample_bundle(), datetime.now(UTC), {})
    predict = PredictBatch(LoadModel(store, MemoryRuntime(), read_manifest), MemoryExecutor())
    execute(
        database_url,
        "CREATE TABLE trees (height FLOAT, age INTEGER, sort TEXT, watered BOOLEAN, id TEXT, "
        "changed TIMESTAMP)",
    )

    def add(*rows: tuple[str, float, str]) -> None:
        cells = (f"({h}, 9, 'pear', '1', '{k}', '2024-01-{day} 10:00:00')" for k, h, day in rows)
        execute(database_url, f"INSERT INTO trees VALUES {', '.join(cells)}")

    def run() -> int:
        source = open_source(
            Settings(), f"{database_url}#trees", since="changed", target=f"{database_url}#scored"
        )
        sink = open_sink(Settings(), f"{database_url}#scored", key="id")
        options = BatchOptions(keep=["id", "changed", "height"], chunk_rows=2)
        return predict(source, sink, ModelRef(NAME, None, version.number), options).rows

    def found() -> list[tuple[Any, ...]]:
        query = "SELECT id, height FROM scored JOIN scored_jobs USING (job) WHERE status = '{}'"
        return sorted(rows_of(database_url, query.format("finished")))

    add(("a", 1.0, "01"), ("b", 2.0, "02"), ("c", 3.0, "03"))
    assert run() == 3
    assert run() == 0
    add(("b", 4.0, "04"), ("d", 5.0, "05"), ("e", 99.0, "06"), ("old", 6.0, "02"))
    assert run() == 3
    assert found() == [("a", 1.0), ("b", 4.0), ("c", 3.0), ("d", 5.0)]
    assert len(rows_of(database_url, "SELECT * FROM scored")) == 4
    assert run() == 1, "a rejected row is read again as long as it is the newest"
    assert len(found()) == 4
    add(("f", 7.0, "07"), ("f", 8.0, "08"))
    with pytest.raises(InvalidData, match="'id' is not a key: a value is there twice"):
        run()
    assert found() == [("a", 1.0), ("b", 4.0), ("c", 3.0), ("d", 5.0)]


def test_new_rows_need_a_column_of_source_and_output(database_url: str) -> None:
    options: dict[str, Any] = {"since": "changed", "target": f"{database_url}#scored"}
    execute(database_url, "CREATE TABLE trees (id TEXT)")
    SqlSink(f"{database_url}#scored").write_chunk(JOB, 0, scored([1.5]), ())
    with pytest.raises(Conflict, match="no column 'changed'; it has job, chunk"):
        open_source(Settings(), f"{database_url}#trees", **options)
    for source, target in (("data.csv", "sqlite:///x.db#t"), ("sqlite:///x.db#t", "out.csv")):
        with pytest.raises(Misconfigured, match="only the new rows of a database"):
            open_source(Settings(), source, since="id", target=target)
    with pytest.raises(Misconfigured, match="a key is allowed only for a table"):
        open_sink(Settings(), "out.csv", key="id")
