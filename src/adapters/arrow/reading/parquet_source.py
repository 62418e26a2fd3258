"""Parquet files, read a chunk at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from adapters.arrow.reading.from_arrow import to_column, value_type
from adapters.arrow.reading.watched_file import Digests, WatchedFile, require_columns
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType
from domain.errors import InvalidData, UnreadableData

_ROWS_AT_ONCE = 1 << 16


class ParquetSource:
    """A Parquet file. Null and NaN are missing.

    `uri` is the original address of the file; default: its path.
    """

    def __init__(self, path: Path, uri: str | None = None, *, with_md5: bool = True) -> None:
        self._file = WatchedFile(path)
        self._uri = uri or str(path)
        self._with_md5 = with_md5

    @cached_property
    def version(self) -> DatasetVersion:
        """Digests and number of rows of the file."""
        with self._opened() as file:
            rows = file.metadata.num_rows
        with self._file.opened() as stream:
            digests = Digests(stream, with_md5=self._with_md5)
            digests.read_all()
        return DatasetVersion(self._uri, digests.sha256, rows, digests.md5)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        with self._opened() as file:
            return tuple(file.schema_arrow.names)

    @property
    def is_empty(self) -> bool:
        """Whether there are no bytes: not a Parquet file without rows."""
        with self._file.unchanged() as path:
            return not path.stat().st_size

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        with self._opened() as file:
            return {name: value_type(file.schema_arrow.field(name).type) for name in names}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield chunks; a locator is the row group in which the chunk begins, and the row in it."""
        group = group_start = 0
        with self._opened() as file:
            sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        for index, start in enumerate(range(0, sum(sizes), rows_per_chunk)):
            while start - group_start >= sizes[group]:
                group_start += sizes[group]
                group += 1
            rows = min(rows_per_chunk, sum(sizes) - start)
            yield Chunk(index, start, rows, (group, start - group_start))

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        require_columns(columns, self.columns, self._uri)
        with self._opened(self._int96_unit(columns)) as file:
            content = _read_rows(file, chunk, list(columns))
        return Table(
            {name: to_column(content.column(name), kind) for name, kind in columns.items()},
            chunk.rows,
        )

    @cached_property
    def _int96_columns(self) -> frozenset[str]:
        with self._opened() as file:
            schema = file.metadata.schema
            leaves = [schema.column(index) for index in range(len(schema))]
        return frozenset(
            leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"
        )

    def _int96_unit(self, columns: Iterable[str]) -> str:
        """Return the unit in which the file's INT96 times are read.

        In nanoseconds, which is Arrow's default, times before 1677 or after 2262 overflow in
        silence. A file with such times is read in microseconds.

        Raises:
            InvalidData: that would lose digits of one of these columns.
        """
        if self._int96_columns.isdisjoint(columns):
            return "ns"
        unit, inexact = self._int96
        for name in inexact.intersection(columns):
            raise InvalidData(
                f"{self._uri}: the INT96 times of column {name!r} cannot be read: the file has "
                f"times outside of the years 1677 to 2262, and this column has nanoseconds; "
                f"allowed: one of both; write the column as a timestamp in microseconds"
            )
        return unit

    @cached_property
    def _int96(self) -> tuple[str, frozenset[str]]:
        """Return the unit for all INT96 columns, and those that it is too coarse for."""
        names = sorted(self._int96_columns)
        unit, inexact = "ns", set[str]()
        with self._opened("us") as file, self._opened() as wrapped:
            for group in range(file.num_row_groups):
                coarse = file.read_row_group(group, names)
                fine = wrapped.read_row_group(group, names)
                try:
                    coarse.cast(fine.schema)
                except pa.ArrowInvalid:
                    unit = "us"
                again = coarse.cast(fine.schema, safe=False)  # overflows as the reader does
                inexact |= {name for name in names if not again[name].equals(fine[name])}
        return unit, frozenset(inexact if unit == "us" else ())

    @contextmanager
    def _opened(self, int96_unit: str = "ns") -> Iterator[parquet.ParquetFile]:
        with self._file.opened() as stream:
            try:
                with parquet.ParquetFile(stream, coerce_int96_timestamp_unit=int96_unit) as file:
                    yield file
            except (pa.ArrowException, OSError) as error:
                what = "is empty" if self.is_empty else "is not valid Parquet"
                raise UnreadableData(f"{self._uri} {what}: {error}") from error


def _read_rows(file: parquet.ParquetFile, chunk: Chunk, columns: list[str]) -> pa.Table:
    group, skipped = chunk.locator
    end = skipped + chunk.rows
    groups = range(group, file.num_row_groups)
    kept: list[pa.RecordBatch] = []
    position = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=list(groups), columns=columns):
        first, last = max(skipped - position, 0), min(end - position, len(batch))
        if first < last:
            kept.append(batch[first:last])
        position += len(batch)
        if position >= end:
            break
    return pa.Table.from_batches(kept)
