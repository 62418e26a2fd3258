import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from adapters.sql.sql_source import SqlSource
from application.ports import DataSource
from domain.data.feature import Kind
from domain.data.table import Table, plain
from domain.errors import (
    ChecksumMismatch,
    InvalidData,
    Misconfigured,
    NotFound,
    Unavailable,
    UnreadableData,
)
from tests.integration.contracts.data_source import KINDS as KINDS_OF_CONTRACT
from tests.integration.contracts.data_source import (
    DataSourceContract,
    TableSourceContract,
    contents,
    objects,
    source_table,
)
from tests.integration.processes import Postgres, free_port
from tests.integration.sql.tables import execute, make_blocks, put, rows_of

ROWS: list[tuple[Any, ...]] = [
    (7, 1.5, 41, "INLAND", True, "plain"),
    (-3, None, None, None, None, None),
    (2_000_000_000, 0.1, 2**40, "NEAR BAY", False, "naïve – 日本"),
    (12, -1e300, 5, "INLAND", True, ""),
    (9, 3.0, 0, "ISLAND", False, "a'b\"c\n"),
]
IN_ORDER = sorted(ROWS)
KINDS = {
    "id": Kind.INTEGER,
    "income": Kind.NUMBER,
    "age": Kind.INTEGER,
    "ocean": Kind.CATEGORY,
    "coastal": Kind.BOOLEAN,
    "note": None,
}


def read_all(source: SqlSource, columns: dict[str, Kind | None], rows_per_chunk: int = 2) -> Table:
    return Table.concat(source.read(chunk, columns) for chunk in source.plan(rows_per_chunk))


def cells(table: Table, name: str) -> list[Any]:
    return list(plain(table.columns[name]).tolist())


class TestSqlSource(TableSourceContract):
    @pytest.fixture
    def holding(self, database_url: str) -> Callable[[Table], DataSource]:
        numbers = count()

        def hold(table: Table) -> DataSource:
            name = f"table_{next(numbers)}"
            put(database_url, name, table, key="homes")
            return SqlSource(f"{database_url}#{name}")

        return hold


class TestSqlSourceByPosition(DataSourceContract):
    @pytest.fixture
    def source(self, database_url: str) -> DataSource:
        table = source_table()
        codes = [f"code {place % 7}/{place}" for place in range(len(table))]
        coded = Table.of({"code": objects([*codes]), **table.columns})
        put(database_url, "coded", coded, key="code")
        return SqlSource(f"{database_url}#coded")

    @pytest.fixture
    def kinds(self) -> Mapping[str, Kind]:
        return {"code": Kind.CATEGORY, **KINDS_OF_CONTRACT}


class TestReading:
    def test_rows_are_ordered_by_the_key(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        table = read_all(SqlSource(f"{database_url}#blocks"), KINDS)
        assert cells(table, "id") == [row[0] for row in IN_ORDER]
        for position, name in ((1, "income"), (2, "age")):
            numbers = [np.nan if row[position] is None else row[position] for row in IN_ORDER]
            np.testing.assert_array_equal(cells(table, name), numbers)
        for position, name in ((3, "ocean"), (4, "coastal"), (5, "note")):
            assert cells(table, name) == [row[position] for row in IN_ORDER]

    def test_valid_columns_have_the_type_of_their_kind(self, database_url: str) -> None:
        make_blocks(database_url, [row for row in ROWS if row[1] is not None])
        source = SqlSource(f"{database_url}#blocks")
        (chunk,) = source.plan(100)
        table = source.read(chunk, KINDS)
        dtypes = {n: plain(column).dtype for n, column in table.columns.items()}
        assert dtypes == {
            "id": np.int64,
            "income": np.float64,
            "age": np.int64,
            "ocean": object,
            "coastal": bool,
            "note": object,
        }

    def test_columns_of_kind_none_are_unchanged(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        table = read_all(SqlSource(f"{database_url}#blocks"), dict.fromkeys(KINDS))
        for position, name in enumerate(KINDS):
            assert cells(table, name) == [row[position] for row in IN_ORDER]

    def test_numbers_of_any_precision_become_floats(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE TABLE n (id INTEGER PRIMARY KEY, amount NUMERIC(30, 10))",
            "INSERT INTO n VALUES (1, 0.1), (2, NULL), (3, 12345678901234567.25)",
        )
        table = read_all(SqlSource(f"{database_url}#n"), {"amount": Kind.NUMBER}, 10)
        np.testing.assert_array_equal(table.columns["amount"], [0.1, np.nan, 12345678901234567.25])
        assert table.columns["amount"].dtype == np.float64  # type: ignore[union-attr]

    def test_dates_are_read_as_text(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE TABLE d (id INTEGER PRIMARY KEY, day DATE)",
            "INSERT INTO d VALUES (1, '2024-02-29'), (2, NULL)",
        )
        table = read_all(SqlSource(f"{database_url}#d"), {"day": None})
        assert cells(table, "day") == ["2024-02-29", None]

    def test_a_cell_that_does_not_fit_its_kind_is_unchanged(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        table = read_all(
            SqlSource(f"{database_url}#blocks"),
            {"ocean": Kind.NUMBER, "age": Kind.CATEGORY, "note": Kind.BOOLEAN},
        )
        assert cells(table, "ocean") == [row[3] for row in IN_ORDER]
        assert cells(table, "note") == [row[5] for row in IN_ORDER]
        assert cells(table, "age") == [None if r[2] is None else str(r[2]) for r in IN_ORDER]

    def test_text_in_a_number_column_of_sqlite_is_kept_as_text(self, sqlite_url: str) -> None:
        make_blocks(sqlite_url, ROWS[:1])
        execute(sqlite_url, "INSERT INTO blocks (id, income) VALUES (8, 'many')")
        table = read_all(SqlSource(f"{sqlite_url}#blocks"), {"income": Kind.NUMBER}, 10)
        assert cells(table, "income") == [1.5, "many"]

    def test_zero_and_one_can_be_booleans(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE TABLE b (id INTEGER PRIMARY KEY, flag INTEGER)",
            "INSERT INTO b VALUES (1, 0), (2, 1)",
        )
        source = SqlSource(f"{database_url}#b")
        assert cells(read_all(source, {"flag": Kind.BOOLEAN}), "flag") == [False, True]
        assert cells(read_all(source, {"flag": None}), "flag") == [0, 1]

    def test_types_of_postgresql_are_read_as_text(self, postgres_url: str) -> None:
        execute(
            postgres_url,
            "CREATE TYPE ocean AS ENUM ('NEAR BAY', 'INLAND')",
            "CREATE DOMAIN price AS double precision CHECK (VALUE > 0)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, o ocean, p price, u uuid, j jsonb, "
            "a integer[], at timestamptz)",
            "INSERT INTO t VALUES (1, 'INLAND', 2.5, 'c1d0a3f2-3b5c-4c8e-9f0a-000000000001', "
            "'{\"b\": 1}', '{1,2}', '2024-01-01 12:00:00+02')",
        )
        columns = {"o": Kind.CATEGORY, "p": Kind.NUMBER, **dict.fromkeys(("u", "j", "a", "at"))}
        table = read_all(SqlSource(f"{postgres_url}#t"), columns)
        assert {name: cells(table, name)[0] for name in columns} == {
            "o": "INLAND",
            "p": 2.5,
            "u": "c1d0a3f2-3b5c-4c8e-9f0a-000000000001",
            "j": '{"b": 1}',
            "a": "{1,2}",
            "at": "2024-01-01 10:00:00",
        }

    def test_an_empty_table_has_columns_and_no_chunks(self, database_url: str) -> None:
        make_blocks(database_url, [])
        source = SqlSource(f"{database_url}#blocks")
        assert source.columns == tuple(KINDS)
        assert source.version.rows == 0
        assert list(source.plan(10)) == []

    def test_a_missing_column_is_named(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        (chunk,) = source.plan(100)
        with pytest.raises(InvalidData, match="no column 'rooms'; it has 'id', 'income'"):
            source.read(chunk, {"rooms": Kind.NUMBER})

    def test_a_view_can_be_read(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        execute(database_url, "CREATE VIEW dear AS SELECT id, income FROM blocks WHERE income > 1")
        table = read_all(SqlSource(f"{database_url}#dear"), {"id": Kind.INTEGER})
        assert cells(table, "id") == [7, 9]

    def test_names_that_need_quoting_are_read(self, database_url: str) -> None:
        execute(
            database_url,
            'CREATE TABLE "block groups" ("Order" INTEGER PRIMARY KEY, "a b" TEXT)',
            "INSERT INTO \"block groups\" VALUES (1, 'x')",
        )
        table = read_all(SqlSource(f"{database_url}#block%20groups"), {"a b": None, "Order": None})
        assert cells(table, "a b") == ["x"]
        assert cells(table, "Order") == [1]

    def test_a_schema_may_be_named(self, postgres_url: str) -> None:
        execute(
            postgres_url,
            "CREATE SCHEMA census",
            "CREATE TABLE census.t (id INTEGER PRIMARY KEY)",
            "INSERT INTO census.t VALUES (5)",
        )
        source = SqlSource(f"{postgres_url}#census.t")
        assert cells(read_all(source, {"id": None}), "id") == [5]
        assert source.version.uri.endswith("#census.t")


class TestOrder:
    @pytest.mark.parametrize("rows_per_chunk", [1, 2, 3, 5, 100])
    def test_chunks_cover_the_rows_without_gap_or_overlap(
        self, database_url: str, rows_per_chunk: int
    ) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        chunks = list(source.plan(rows_per_chunk))
        assert [chunk.start for chunk in chunks] == list(range(0, 5, rows_per_chunk))
        assert sum(chunk.rows for chunk in chunks) == 5
        assert chunks == list(SqlSource(f"{database_url}#blocks").plan(rows_per_chunk))
        read = [x for c in chunks for x in cells(source.read(c, {"id": None}), "id")]
        assert read == [row[0] for row in IN_ORDER]

    def test_chunks_may_be_larger_than_a_fetch(self, database_url: str) -> None:
        rows = [(i * 3, i / 7, i, "INLAND", True, str(i)) for i in range(20_000)]
        make_blocks(database_url, rows)
        source = SqlSource(f"{database_url}#blocks")
        chunks = list(source.plan(7_001))
        assert [(c.start, c.rows) for c in chunks] == [(0, 7001), (7001, 7001), (14002, 5998)]
        table = Table.concat(source.read(chunk, {"note": None}) for chunk in chunks)
        assert cells(table, "note") == [row[5] for row in rows]

    def test_a_text_key_is_ordered_by_its_bytes(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE TABLE t (code VARCHAR(9) PRIMARY KEY)",
            "INSERT INTO t VALUES ('b'), ('A'), ('a'), ('B'), ('_'), ('é')",
        )
        table = read_all(SqlSource(f"{database_url}#t"), {"code": None})
        assert cells(table, "code") == ["A", "B", "_", "a", "b", "é"]

    def test_a_key_of_several_columns_orders_by_all_of_them(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE TABLE t (job TEXT, n INTEGER, v INTEGER, PRIMARY KEY (job, n))",
            "INSERT INTO t VALUES ('b', 1, 10), ('a', 2, 20), ('a', 10, 30), ('b', 0, 40)",
        )
        table = read_all(SqlSource(f"{database_url}#t"), {"v": None}, 3)
        assert cells(table, "v") == [20, 30, 40, 10]

    def test_sqlite_without_a_key_keeps_the_order_of_insertion(self, sqlite_url: str) -> None:
        make_blocks(sqlite_url, ROWS, key=False)
        table = read_all(SqlSource(f"{sqlite_url}#blocks"), {"id": None})
        assert cells(table, "id") == [row[0] for row in ROWS]

    def test_postgresql_without_a_key_orders_by_all_columns(self, postgres_url: str) -> None:
        make_blocks(postgres_url, [*ROWS, ROWS[0]], key=False)
        execute(postgres_url, "UPDATE blocks SET note = note WHERE id = -3")
        table = read_all(SqlSource(f"{postgres_url}#blocks"), {"id": None}, 4)
        assert cells(table, "id") == sorted([7, *(row[0] for row in ROWS)])


class TestVersion:
    def test_the_same_rows_have_the_same_version_in_every_database(
        self, sqlite_url: str, postgres_url: str
    ) -> None:
        make_blocks(sqlite_url, ROWS)
        make_blocks(postgres_url, ROWS[::-1])
        one, other = (SqlSource(f"{u}#blocks").version for u in (sqlite_url, postgres_url))
        assert one.sha256 == other.sha256
        assert one.rows == other.rows == 5

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE blocks SET income = 1.5000000000000002 WHERE id = 7",
            "UPDATE blocks SET ocean = NULL WHERE id = 7",
            "UPDATE blocks SET note = NULL WHERE id = 12",
            "DELETE FROM blocks WHERE id = 7",
            "INSERT INTO blocks (id) VALUES (8)",
            "UPDATE blocks SET id = 13 WHERE id = 12",
            "ALTER TABLE blocks RENAME COLUMN note TO remark",
        ],
    )
    def test_every_change_makes_another_version(self, database_url: str, change: str) -> None:
        make_blocks(database_url, ROWS)
        before = SqlSource(f"{database_url}#blocks").version
        execute(database_url, change)
        after = SqlSource(f"{database_url}#blocks").version
        assert before.sha256 != after.sha256

    def test_the_version_is_that_of_the_first_access(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        before = source.version
        execute(database_url, "DELETE FROM blocks WHERE id = 7")
        assert source.version is before

    def test_the_uri_has_no_password(self, postgres: Postgres, postgres_url: str) -> None:
        make_blocks(postgres_url, ROWS)
        uri = SqlSource(f"{postgres_url}?application_name=x&sslpassword=hush#blocks").version.uri
        assert uri.startswith(f"postgresql+psycopg://modelport@127.0.0.1:{postgres.port}/")
        assert uri.endswith("?application_name=x#blocks")


CHANGES = (
    "UPDATE blocks SET income = 2 WHERE id = 7",
    "DELETE FROM blocks WHERE id = 7",
    "INSERT INTO blocks (id) VALUES (8)",
)


class TestSnapshot:
    @pytest.mark.parametrize("key", [True, False])
    @pytest.mark.parametrize("change", CHANGES)
    def test_all_reads_see_the_state_of_the_first_access(
        self, database_url: str, change: str, key: bool
    ) -> None:
        make_blocks(database_url, IN_ORDER, key=key)
        before = contents(read_all(SqlSource(f"{database_url}#blocks"), KINDS))
        source = SqlSource(f"{database_url}#blocks")
        version = source.version
        execute(database_url, change)
        first, *others = source.plan(2)
        execute(database_url, "DELETE FROM blocks WHERE id <> 7")
        there = pickle.loads(pickle.dumps(source))
        parts = [source.read(first, KINDS), *(there.read(chunk, KINDS) for chunk in others)]
        assert contents(Table.concat(parts)) == before
        assert there.version.sha256 == version.sha256
        assert SqlSource(f"{database_url}#blocks").version.rows < version.rows

    def test_a_table_cannot_be_truncated_while_it_is_read(self, postgres_url: str) -> None:
        make_blocks(postgres_url, ROWS)
        source = SqlSource(f"{postgres_url}#blocks")
        assert source.version.rows == len(ROWS)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            execute(postgres_url, "SET lock_timeout = '100ms'", "TRUNCATE blocks")
        assert cells(read_all(source, {"id": None}), "id") == [row[0] for row in IN_ORDER]

    def test_a_worker_whose_run_has_ended_is_refused(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        chunk = next(source.plan(2))
        there = pickle.loads(pickle.dumps(source))
        del source
        with pytest.raises(Unavailable, match=r"the snapshot that this job reads is gone"):
            there.read(chunk, KINDS)

    def test_the_snapshot_is_released_with_the_source(
        self, sqlite_url: str, postgres_url: str
    ) -> None:
        for url in (sqlite_url, postgres_url):
            make_blocks(url, ROWS)
        one, other = (SqlSource(f"{url}#blocks") for url in (sqlite_url, postgres_url))
        copy = Path(one.__reduce__()[1][1])
        open_transactions = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' "
            "AND datname = current_database()"
        )
        assert other.version.rows == len(ROWS)
        assert copy.exists()
        assert rows_of(postgres_url, open_transactions) == [(1,)]
        del one, other
        assert not copy.parent.exists()
        assert rows_of(postgres_url, open_transactions) == [(0,)]

    def test_a_copy_that_does_not_fit_the_disk_is_unavailable(self, sqlite_url: str) -> None:
        make_blocks(sqlite_url, [(i, None, None, None, None, "x" * 500) for i in range(200)])
        script = """
import resource, sys
from adapters.sql.sql_source import SqlSource
from domain.errors import Unavailable

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # like a disk with no more room
try:
    SqlSource(sys.argv[1]).version
except Unavailable as error:
    print(error)
"""
        done = subprocess.run(
            [sys.executable, "-c", script, f"{sqlite_url}#blocks"],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        assert "cannot be copied to" in done.stdout


class TestChanges:
    """Changes of a table in a database without snapshots."""

    @pytest.fixture
    def database_url(self, tmp_path: Path) -> str:
        return f"sqlite:///file:{tmp_path}/x.db?uri=true"

    @pytest.mark.parametrize("key", [True, False])
    @pytest.mark.parametrize("change", CHANGES[:2])
    def test_a_change_after_the_plan_is_found_in_the_chunk(
        self, database_url: str, change: str, key: bool
    ) -> None:
        make_blocks(database_url, IN_ORDER, key=key)
        source = SqlSource(f"{database_url}#blocks")
        first = next(source.plan(2))
        execute(database_url, change)
        with pytest.raises(ChecksumMismatch, match="rows 1 to 2 were changed since"):
            source.read(first, KINDS)

    def test_a_row_that_is_added_within_a_chunk_is_found(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        first = next(source.plan(3))
        execute(database_url, "INSERT INTO blocks (id) VALUES (8)")
        with pytest.raises(ChecksumMismatch, match="rows 1 to 3 were changed since"):
            source.read(first, {"id": None})

    def test_rows_that_are_added_elsewhere_are_not_read(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        chunks = list(source.plan(2))
        execute(database_url, "INSERT INTO blocks (id) VALUES (8), (-9), (2000000001)")
        assert [x for c in chunks for x in cells(source.read(c, {"id": None}), "id")] == [
            row[0] for row in IN_ORDER
        ]

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_before_the_plan_is_found_by_the_plan(
        self, database_url: str, change: str
    ) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        assert source.version.rows == 5
        execute(database_url, change)
        with pytest.raises(ChecksumMismatch, match="start again"):
            source.plan(2)

    def test_a_change_of_a_column_that_is_not_read_is_accepted(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        chunks = list(source.plan(2))
        execute(database_url, "UPDATE blocks SET note = 'new'")
        assert [x for c in chunks for x in cells(source.read(c, {"id": None}), "id")] == [
            row[0] for row in IN_ORDER
        ]

    def test_reading_does_not_block_writing(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#blocks")
        read = []
        execute(database_url, "CREATE TABLE other (id INTEGER)")
        for chunk in source.plan(1):
            execute(database_url, "INSERT INTO other VALUES (1)")
            read += cells(source.read(chunk, {"id": None}), "id")
        assert read == [row[0] for row in IN_ORDER]


def test_a_worker_reads_a_chunk_of_a_plan_it_did_not_make(database_url: str) -> None:
    make_blocks(database_url, ROWS)
    source = SqlSource(f"{database_url}#blocks")
    assert source.version.rows == 5
    chunk = list(source.plan(2))[1]
    there = pickle.loads(pickle.dumps(source))
    sent = pickle.loads(pickle.dumps(chunk))
    assert cells(there.read(sent, {"id": None}), "id") == [9, 12]


class TestRefusals:
    @pytest.mark.parametrize(
        "url", ["sqlite:///x.db", "sqlite:///x.db#", "postgresql+psycopg://u:hush@h/db"]
    )
    def test_a_url_without_a_table_is_refused(self, url: str) -> None:
        with pytest.raises(Misconfigured, match=r"name its table after a #.*database#table") as e:
            SqlSource(url)
        assert "hush" not in str(e.value)

    def test_an_unknown_dialect_is_named(self) -> None:
        with pytest.raises(
            Misconfigured, match=r"'postgre' is known; allowed: postgresql\+psy"
        ) as e:
            SqlSource("postgre://u:hush@h/db#t")
        assert "hush" not in str(e.value)

    @pytest.mark.parametrize("url", ["no url#t", "postgresql://u:hush@h:port/db#t"])
    def test_an_invalid_url_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(Misconfigured, match="not the URL of a database; expected") as e:
            SqlSource(url)
        assert "hush" not in str(e.value)
        assert e.value.__suppress_context__

    def test_a_missing_driver_is_named_with_its_extra(self) -> None:
        with pytest.raises(
            Misconfigured, match=r"driver 'asyncpg' cannot be imported.*modelport\[sql\]"
        ) as e:
            SqlSource("postgresql+asyncpg://u:hush@h/db#t")
        assert "hush" not in str(e.value)

    def test_a_missing_table_is_refused_with_the_existing_ones(self, database_url: str) -> None:
        make_blocks(database_url, [])
        execute(database_url, "CREATE TABLE zones (id INTEGER)")
        with pytest.raises(NotFound, match=r"no table 'block'; tables there: blocks, zones$"):
            _ = SqlSource(f"{database_url}#block").columns

    def test_a_missing_schema_is_refused_with_the_way_to_write_a_dot(
        self, database_url: str
    ) -> None:
        make_blocks(database_url, ROWS)
        execute(database_url, 'ALTER TABLE blocks RENAME TO "eu.sales"')
        with pytest.raises(NotFound, match=r"no schema 'eu'; .*%2E: #eu%2Esales$") as caught:
            _ = SqlSource(f"{database_url}#eu.sales").columns
        assert "snapshot" not in str(caught.value)
        source = SqlSource(f"{database_url}#eu%2Esales")
        assert source.version.rows == len(ROWS)
        assert source.version.uri.endswith("#eu%2Esales")
        with pytest.raises(NotFound, match=r"no table 'x%2Ey'; tables there: eu%2Esales$"):
            _ = SqlSource(f"{database_url}#x%2Ey").columns

    def test_messages_name_the_file_of_which_a_copy_is_read(self, sqlite_url: str) -> None:
        execute(sqlite_url, "CREATE TABLE t (a INTEGER)", "CREATE VIEW v AS SELECT a FROM t")
        execute(sqlite_url, "DROP TABLE t")
        with pytest.raises(Unavailable, match=r"no such table") as caught:
            _ = SqlSource(f"{sqlite_url}#v").version
        assert str(caught.value).startswith(f"{sqlite_url}: ")

    def test_a_missing_sqlite_file_is_not_created(self, tmp_path: Path) -> None:
        path = tmp_path / "none.db"
        with pytest.raises(NotFound, match="there is no such file"):
            _ = SqlSource(f"sqlite:///{path}#t").version
        assert not path.exists()

    def test_a_file_that_is_not_a_database_is_unreadable(self, tmp_path: Path) -> None:
        path = tmp_path / "x.db"
        path.write_bytes(b"id,income\n" * 1000)
        with pytest.raises(UnreadableData, match="not a database"):
            _ = SqlSource(f"sqlite:///{path}#t").columns

    def test_a_key_that_is_not_an_integer_is_refused(self, sqlite_url: str) -> None:
        execute(
            sqlite_url, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), ('two')"
        )
        with pytest.raises(UnreadableData, match="primary key 'id' is declared as integer"):
            _ = SqlSource(f"{sqlite_url}#t").version

    def test_a_server_that_is_down_is_unavailable(self) -> None:
        url = f"postgresql+psycopg://modelport:hush@127.0.0.1:{free_port()}/db#t"
        with pytest.raises(Unavailable, match="refused") as e:
            _ = SqlSource(url).columns
        assert "hush" not in str(e.value)

    def test_a_wrong_password_is_unavailable_and_not_repeated(self, postgres: Postgres) -> None:
        url = postgres.url("postgres", "hush%23hush") + "#t"
        with pytest.raises(Unavailable, match="authentication failed") as e:
            _ = SqlSource(url).columns
        assert "hush" not in str(e.value)

    def test_an_unknown_database_is_unavailable(self, postgres: Postgres) -> None:
        with pytest.raises(Unavailable, match='"nowhere" does not exist'):
            _ = SqlSource(postgres.url("nowhere") + "#t").columns


class TestQueries:
    """The rows of a query as the source."""

    def test_a_query_is_read_as_a_table_is(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        query = "select id, income, ocean, note || ':x%' AS note FROM blocks WHERE id > 0 -- all"
        source = SqlSource(f"{database_url}#{query}")
        assert source.columns == ("id", "income", "ocean", "note")
        assert "#query-" in source.version.uri
        expected = [row for row in IN_ORDER if row[0] > 0]
        kinds: dict[str, Kind | None] = {"id": Kind.INTEGER, "ocean": Kind.CATEGORY}
        kinds |= {"income": Kind.NUMBER, "note": None}
        for size in (1, 3, 100):
            copy = pickle.loads(pickle.dumps(source))
            rows = zip(*contents(read_all(copy, kinds, size)).values(), strict=True)
            assert sorted(rows) == [(r[0], r[3], r[1], f"{r[5]}:x%") for r in expected]

    def test_the_version_of_a_query_is_that_of_its_rows(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        query = "SELECT id, income FROM blocks WHERE id < 1000"
        versions = [SqlSource(f"{database_url}#{q}").version for q in (query, f"{query} ;")]
        versions.append(SqlSource(f"{database_url}#{query} AND 1 = 1").version)
        assert len({version.sha256 for version in versions}) == 1
        execute(database_url, "DELETE FROM blocks WHERE id > 0")
        assert SqlSource(f"{database_url}#{query}").version.sha256 != versions[0].sha256

    @pytest.mark.parametrize(
        ("query", "error", "problem"),
        [
            ("SELECT nothing FROM blocks", Misconfigured, "the query cannot be run: .*nothing"),
            ("WITH x AS (DELETE FROM blocks RETURNING *) SELECT * FROM x", Misconfigured, "query"),
            ("SELECT 1); DROP TABLE blocks; --", Misconfigured, "query"),
        ],
    )
    def test_other_queries_are_refused_and_change_nothing(
        self, database_url: str, query: str, error: type[Exception], problem: str
    ) -> None:
        make_blocks(database_url, ROWS)
        with pytest.raises(error, match=problem):
            _ = SqlSource(f"{database_url}#{query}").version
        assert len(rows_of(database_url, "SELECT id FROM blocks")) == len(ROWS)

    def test_a_query_with_other_rows_each_time_is_refused(self, database_url: str) -> None:
        make_blocks(database_url, ROWS)
        source = SqlSource(f"{database_url}#SELECT id, random() AS dice FROM blocks")
        assert source.version.rows == len(ROWS)
        with pytest.raises(ChecksumMismatch, match="other rows each time"):
            list(source.plan(3))

    def test_two_columns_of_one_name_are_refused(self, postgres_url: str) -> None:
        make_blocks(postgres_url, ROWS)
        with pytest.raises(InvalidData, match="several columns 'id'"):
            _ = SqlSource(f"{postgres_url}#SELECT id, id FROM blocks").version
