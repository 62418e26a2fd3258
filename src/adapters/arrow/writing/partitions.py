"""An output folder that is partitioned by columns, in the layout of Hive.

pyarrow, pandas, Spark and DuckDB read it: folders are named `COLUMN=VALUE`, both percent-encoded,
with a reserved name for missing values; the files do not hold the columns of the folder names.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adapters.arrow.reading.partitioned_file import MISSING
from adapters.arrow.writing.output_formats import ByteRange, OutputFormat
from adapters.arrow.writing.output_layouts import (
    layout_key,
    publish_folder,
    require_output_folder,
)
from adapters.arrow.writing.receipts import FileContent
from adapters.arrow.writing.to_arrow import to_texts
from adapters.files.atomic_writes import json_line
from domain.data.table import Table
from domain.errors import InvalidData, Misconfigured
from domain.scoring.batch_job import BatchJob

MAX_FOLDERS = 1_024
_MAX_NAME_BYTES = 255


@dataclass(frozen=True)
class PartitionedLayout:
    """Files `COLUMN=VALUE/part-00000.parquet` and so on, outermost column first.

    The rows of a folder are in input order. A file has at most `rows_per_file` rows, unless the
    rows of a single chunk are more. Rejects and receipt are next to the folder.

    Raises:
        Misconfigured: a column is named twice.
    """

    path: Path
    by: tuple[str, ...]
    format: OutputFormat
    rows_per_file: int = 1_000_000
    _folders: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len({*self.by}) != len(self.by):
            raise Misconfigured(f"{self.path}/: a column to partition by is named twice")

    def key(self, job: str) -> str:
        return layout_key(job, self.format.suffix, *self.by)

    def require_writable(self, job: BatchJob) -> None:
        missing = [name for name in self.by if name not in job.keep]
        if missing:
            raise Misconfigured(
                f"{self.path}/ cannot be partitioned by {', '.join(map(repr, missing))}; "
                f"allowed: columns of the input that are kept ({', '.join(job.keep) or 'none'})"
            )
        require_output_folder(self.path)

    def encode(self, table: Table) -> bytes:
        """Return a line of JSON with name, rows and bytes of each folder, and then their rows."""
        names, folders = self._assign_folders(table)
        others = {n: column for n, column in table.columns.items() if n not in self.by}
        order = np.argsort(folders, kind="stable")
        ordered = Table(others, len(table))[order]
        ends = np.searchsorted(folders[order], np.arange(len(names)), side="right").tolist()
        index, blocks = [], []
        for name, start, end in zip(names, [0, *ends], ends, strict=False):
            block = self.format.encode(ordered[start:end])
            index.append((name, end - start, len(block)))
            blocks.append(block)
        return b"".join([json_line(index), *blocks])

    def assemble(self, chunks: Sequence[Path], temporary: Path) -> FileContent:
        return publish_folder(self.path, temporary, self.format, self._files(chunks))

    def _files(self, chunks: Sequence[Path]) -> Mapping[str, Sequence[ByteRange]]:
        """Return the rows of each file, by its path in the folder."""
        found: dict[str, list[tuple[ByteRange, int]]] = defaultdict(list)
        for chunk in chunks:
            for name, block, rows in _blocks(chunk):
                found[name].append((block, rows))
        self._require_few(len(found))
        return {
            f"{name}/part-{number:05d}{self.format.suffix}": blocks
            for name in sorted(found)
            for number, blocks in enumerate(_by_file(found[name], self.rows_per_file))
        }

    def _assign_folders(self, table: Table) -> tuple[list[str], NDArray[np.intp]]:
        """Return the sorted names of the folders, and for each row the index of its folder."""
        columns = []
        for name in self.by:
            coded = to_texts(table.column(name)).dictionary_encode(null_encoding="encode")
            self._require_few(len(coded.dictionary))
            values = [self._folder_name(name, value) for value in coded.dictionary.to_pylist()]
            columns.append(pa.array(values, pa.large_string()).take(coded.indices))
        slash = pa.scalar("/", pa.large_string())
        coded = pc.binary_join_element_wise(*columns, slash).dictionary_encode()
        names = coded.dictionary.to_pylist()
        self._folders.update(names)
        self._require_few(len(self._folders))
        ranks = np.argsort(np.argsort(np.array(names, dtype=object)))
        folders: NDArray[np.intp] = ranks[coded.indices.to_numpy()]
        return sorted(names), folders

    def _folder_name(self, column: str, value: str | None) -> str:
        if value == MISSING:
            raise InvalidData(
                f"{self.path}/ cannot be partitioned by {column!r}: it has the value {MISSING!r}, "
                f"which means missing in the names of folders"
            )
        key = quote(column, safe="")
        if key[0] in "._":  # readers ignore folders that begin so
            key = f"%{ord(key[0]):02X}{key[1:]}"
        name = f"{key}={MISSING if value is None else quote(value, safe='')}"
        if len(name) > _MAX_NAME_BYTES:
            raise InvalidData(
                f"{self.path}/ cannot be partitioned by {column!r}: the folder name of one value "
                f"has {len(name)} bytes; allowed: {_MAX_NAME_BYTES}"
            )
        return name

    def _require_few(self, folders: int) -> None:
        if folders > MAX_FOLDERS:
            raise InvalidData(
                f"{self.path}/ cannot be partitioned by {', '.join(map(repr, self.by))}: "
                f"that needs {folders:,} folders or more; allowed: {MAX_FOLDERS:,}. The output is "
                f"unchanged; name a column with fewer values"
            )


def _blocks(chunk: Path) -> Iterator[tuple[str, ByteRange, int]]:
    """Yield name, encoded rows and number of rows of each folder in an encoded chunk."""
    with chunk.open("rb") as stream:
        index = json.loads(stream.readline())
        start = stream.tell()
    for name, rows, size in index:
        yield name, ByteRange(chunk, start, size), rows
        start += size


def _by_file(blocks: Sequence[tuple[ByteRange, int]], max_rows: int) -> Iterator[list[ByteRange]]:
    """Yield the blocks of each file."""
    file: list[ByteRange] = []
    total = 0
    for block, rows in blocks:
        if file and total + rows > max_rows:
            yield file
            file, total = [], 0
        file.append(block)
        total += rows
    if file:
        yield file
