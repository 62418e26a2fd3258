"""A file in a partitioned folder: its columns, and those that the names of its folders give."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa

from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.reading.from_arrow import text_to_column
from adapters.arrow.reading.json_lines_source import JsonLinesSource
from adapters.arrow.reading.parquet_source import ParquetSource
from adapters.arrow.reading.watched_file import require_columns
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType

# The value of a folder for rows in which the column is missing.
MISSING = "__HIVE_DEFAULT_PARTITION__"

FileSource = CsvSource | ParquetSource | JsonLinesSource


@dataclass(frozen=True)
class PartitionedFile:
    """A `DataSource` over a file below folders `COLUMN=VALUE`; such a column is read as text is."""

    file: FileSource
    values: Mapping[str, str | None]

    @property
    def version(self) -> DatasetVersion:
        """The version of the file; the names of the folders are part of that of the whole."""
        return self.file.version

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.file.columns, *self.values)

    @property
    def is_empty(self) -> bool:
        """Whether the file has no columns."""
        return self.file.is_empty

    @property
    def note(self) -> str:
        """What was detected of the dialect of the file."""
        return getattr(self.file, "note", "")

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        own = self.file.value_types([name for name in names if name not in self.values])
        return {name: own.get(name, ValueType.TEXT) for name in names}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        return self.file.plan(rows_per_chunk)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        require_columns(columns, self.columns, self.version.uri)
        own = {name: kind for name, kind in columns.items() if name not in self.values}
        table = self.file.read(chunk, own)
        of_folders = {
            name: text_to_column(_repeated(self.values[name], len(table)), kind)
            for name, kind in columns.items()
            if name in self.values
        }
        found = {name: of_folders.get(name, table.columns.get(name)) for name in columns}
        return Table({n: c for n, c in found.items() if c is not None}, len(table), table.faults)


def in_partition(name: str, file: FileSource) -> FileSource | PartitionedFile:
    """Return the source of a file by its path in a folder, such as `region=north/part-0.csv`."""
    pairs = [part.partition("=") for part in name.split("/")[:-1] if is_partition(part)]
    values = {unquote(key): None if text == MISSING else unquote(text) for key, _, text in pairs}
    return PartitionedFile(file, values) if values else file


def is_partition(folder: str) -> bool:
    """Whether the name of a folder gives the value of a column."""
    return folder.partition("=")[0] != "" and "=" in folder


def _repeated(value: str | None, rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(pa.scalar(value, pa.string()), rows)])
