"""The contract of every data source.

`DataSourceContract` holds for any source: a subclass provides the fixtures `source`, with at least
thirty rows, and `kinds`, its columns and the kind of each. `TableSourceContract` holds for those
that keep what they are given: a subclass provides `holding`, which puts a table there.
"""

import pickle
from collections.abc import Callable, Mapping
from itertools import accumulate, pairwise
from math import isnan
from typing import Any

import numpy as np
import pytest

from application.ports import DataSource
from domain.data.feature import Kind
from domain.data.table import Coded, Column, Table, plain
from domain.errors import InvalidData

KINDS: Mapping[str, Kind] = {
    "income": Kind.NUMBER,
    "rooms": Kind.INTEGER,
    "homes": Kind.INTEGER,
    "ocean": Kind.CATEGORY,
    "coastal": Kind.BOOLEAN,
}
TEXTS = (
    *["plain", "with, comma", 'a "quoted" word', "line\nbreak", "carriage\r\nreturn", None],
    *["Zürich", "  spaces  ", "NaN", "null", "NA", "1.50", "007", "true", '"', "😀"],
)


def objects(values: list[Any]) -> Column:
    return np.fromiter(values, dtype=object, count=len(values))


def source_table(rows: int = 40) -> Table:
    """Return rows with every kind, with missing values, and with a column of text."""
    places = np.arange(rows)
    income = np.where(places % 7 == 3, np.nan, 0.1 + places * 1.7e-3)
    income[:3] = [1e-300, -0.1 - 0.2, 123456789.123456789]
    codes = np.where(places % 6 == 5, -1, places % 3).astype(np.int32)
    return Table.of(
        {
            "income": income,
            "rooms": np.where(places % 5 == 4, np.nan, places * 3.0),
            "homes": places * 1_000_003 - 7,
            "ocean": Coded(codes, ("<1H OCEAN", "NA", "NEAR BAY")),
            "coastal": places % 2 == 0,
            "note": objects([TEXTS[place % len(TEXTS)] for place in places.tolist()]),
        }
    )


def cells(column: Column) -> list[Any]:
    """Return a column as Python values, None where missing."""
    values = plain(column).tolist()
    return [None if isinstance(v, float) and isnan(v) else v for v in values]


def contents(table: Table) -> dict[str, list[Any]]:
    return {name: cells(column) for name, column in table.columns.items()}


def read_all(
    source: DataSource, kinds: Mapping[str, Kind | None], rows_per_chunk: int
) -> dict[str, list[Any]]:
    """Return all rows, read in chunks of that size."""
    whole: dict[str, list[Any]] = {name: [] for name in kinds}
    for chunk in source.plan(rows_per_chunk):
        table = source.read(chunk, kinds)
        assert len(table) == chunk.rows
        assert list(table.columns) == list(kinds)
        for name, column in table.columns.items():
            whole[name] += cells(column)
    return whole


class DataSourceContract:
    @pytest.mark.parametrize("size", [1, 7, 20, 1_000_000])
    def test_the_plan_covers_every_row_once_and_in_order(
        self, source: DataSource, size: int
    ) -> None:
        chunks = list(source.plan(size))
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        before = [*accumulate((chunk.rows for chunk in chunks), initial=0)]
        assert [chunk.start for chunk in chunks] == before[:-1]
        assert all(0 < chunk.rows <= size for chunk in chunks)
        assert sum(chunk.rows for chunk in chunks) == source.version.rows

    @pytest.mark.parametrize("size", [7, 20])
    def test_only_the_last_chunk_of_a_file_is_short(self, source: DataSource, size: int) -> None:
        chunks = list(source.plan(size))
        for chunk, following in pairwise(chunks):
            assert chunk.rows == size or following.file != chunk.file

    def test_the_plan_is_the_same_every_time(self, source: DataSource) -> None:
        assert list(source.plan(7)) == list(source.plan(7))

    @pytest.mark.parametrize("size", [1, 7, 20])
    def test_the_chunks_together_are_the_whole(
        self, source: DataSource, kinds: Mapping[str, Kind], size: int
    ) -> None:
        assert read_all(source, kinds, size) == read_all(source, kinds, 1_000_000)

    def test_any_chunk_can_be_read_alone_by_another_process(
        self, source: DataSource, kinds: Mapping[str, Kind]
    ) -> None:
        chunks = list(source.plan(7))
        expected = [contents(source.read(chunk, kinds)) for chunk in chunks]
        for chunk in reversed(chunks):
            copy, order = pickle.loads(pickle.dumps((source, chunk)))
            assert contents(copy.read(order, kinds)) == expected[chunk.index]

    def test_the_requested_columns_are_read_in_their_order(
        self, source: DataSource, kinds: Mapping[str, Kind]
    ) -> None:
        asked = dict([*kinds.items()][:0:-1])
        chunk = next(source.plan(1_000_000))
        table = source.read(chunk, asked)
        assert list(table.columns) == list(asked)

    def test_numbers_are_floats_and_categories_are_coded_or_objects(
        self, source: DataSource, kinds: Mapping[str, Kind]
    ) -> None:
        chunk = next(source.plan(1_000_000))
        for name, column in source.read(chunk, kinds).columns.items():
            form = "coded" if isinstance(column, Coded) else plain(column).dtype.name
            allowed = {
                Kind.NUMBER: {"float64", "int64"},
                Kind.INTEGER: {"float64", "int64"},
                Kind.CATEGORY: {"coded", "object"},
                Kind.BOOLEAN: {"bool"},
            }
            assert form in allowed[kinds[name]], name

    def test_a_missing_column_is_refused(self, source: DataSource) -> None:
        chunk = next(source.plan(1_000_000))
        with pytest.raises(InvalidData, match="'bathrooms'"):
            source.read(chunk, {"bathrooms": Kind.NUMBER})

    def test_the_version_is_the_same_every_time_and_in_every_process(
        self, source: DataSource
    ) -> None:
        version = source.version
        assert source.version == version
        assert pickle.loads(pickle.dumps(source)).version == version


class TableSourceContract(DataSourceContract):
    @pytest.fixture
    def source(self, holding: Callable[[Table], DataSource]) -> DataSource:
        return holding(source_table())

    @pytest.fixture
    def kinds(self) -> Mapping[str, Kind]:
        return KINDS

    def test_the_columns_are_named_in_order(self, source: DataSource) -> None:
        assert source.columns == (*KINDS, "note")

    def test_the_rows_are_counted(self, source: DataSource) -> None:
        assert source.version.rows == len(source_table())

    def test_numbers_round_trip_to_the_last_digit(self, source: DataSource) -> None:
        expected = contents(source_table())
        assert read_all(source, KINDS, 13) == {name: expected[name] for name in KINDS}

    def test_text_without_a_kind_is_unchanged(self, source: DataSource) -> None:
        assert read_all(source, {"note": None}, 13) == {"note": contents(source_table())["note"]}

    def test_only_null_is_a_missing_category(self, source: DataSource) -> None:
        notes = read_all(source, {"note": Kind.CATEGORY}, 13)["note"]
        assert notes == contents(source_table())["note"]

    def test_text_in_a_number_column_stays_text(self, source: DataSource) -> None:
        chunk = next(source.plan(1_000_000))
        column = source.read(chunk, {"note": Kind.NUMBER}).column("note")
        found = [note for note in cells(column) if isinstance(note, str)]
        assert found[:2] == ["plain", "with, comma"]
        assert "NaN" in found

    def test_other_rows_have_another_version(
        self, holding: Callable[[Table], DataSource], source: DataSource
    ) -> None:
        before = source.version.sha256
        income = plain(source_table().column("income")).copy()
        income[1] = np.nextafter(income[1], 1.0)
        changed = Table.of({**source_table().columns, "income": income})
        assert holding(changed).version.sha256 != before
