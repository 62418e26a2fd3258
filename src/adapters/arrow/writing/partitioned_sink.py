"""A folder that a batch job writes with a folder in it for each value of a column, as Hive has it.

What is read back by the usual readers (pyarrow, pandas, Spark, DuckDB): `COLUMN=VALUE`, both
percent-encoded, a name of its own for missing values, and files without the columns that the
names of the folders tell.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adapters.arrow.writing.folder_sink import PARQUET, FolderSink
from adapters.arrow.writing.output_formats import Piece
from adapters.arrow.writing.to_arrow import to_texts
from adapters.files.atomic_writes import json_line
from domain.data.table import Table
from domain.errors import InvalidData, Misconfigured
from domain.scoring.batch_job import BatchJob

MISSING = "__HIVE_DEFAULT_PARTITION__"
MOST_FOLDERS = 1_024
_LONGEST_NAME = 255
_ROWS_PER_FILE = 1_000_000


class PartitionedSink(FolderSink):
    """Writes `COLUMN=VALUE/part-00000.parquet` and so on, otherwise as `FolderSink` does.

    The rows of a folder are in the order of the input. Its files have `rows_per_file` rows at most,
    but for those of larger chunks.
    """

    def __init__(
        self,
        path: Path,
        by: Sequence[str],
        suffix: str = PARQUET,
        rows_per_file: int = _ROWS_PER_FILE,
        *,
        sent: bool = False,
    ) -> None:
        """Name the folder, and the columns whose values name the folders in it, outermost first.

        Raises:
            Misconfigured: the suffix is that of no format, or a column is named twice.
        """
        if len({*by}) != len(by):
            raise Misconfigured(f"{path}/: a column to partition by is named twice")
        self._by = tuple(by)
        self._rows_per_file = rows_per_file
        self._found: set[str] = set()
        super().__init__(path, suffix, sent=sent)

    def __reduce__(self) -> tuple[Callable[..., "PartitionedSink"], tuple[Any, ...]]:
        given = (self._path, self._by, self._suffix, self._rows_per_file)
        return partial(type(self), sent=True), given

    @contextmanager
    def locked(self, job: BatchJob) -> Iterator[None]:
        """Reserve the output as `FileSink` does.

        Raises:
            Misconfigured: a column that is to name the folders is not kept.
        """
        lacking = [name for name in self._by if name not in job.keep]
        if lacking:
            raise Misconfigured(
                f"{self._path}/ cannot be partitioned by {', '.join(map(repr, lacking))}; "
                f"allowed: columns of the input that are kept ({', '.join(job.keep) or 'none'})"
            )
        with super().locked(job):
            yield

    @property
    def _layout(self) -> tuple[str, ...]:
        return (self._suffix, *self._by)

    def _encode(self, table: Table) -> bytes:
        """Return the rows of each folder, after a line that tells how many there are."""
        names, places = self._placed(table)
        others = {n: column for n, column in table.columns.items() if n not in self._by}
        order = np.argsort(places, kind="stable")
        ordered = Table(others, len(table))[order]
        ends = np.searchsorted(places[order], np.arange(len(names)), side="right").tolist()
        index, blocks = [], []
        for name, start, end in zip(names, [0, *ends], ends, strict=False):
            block = self._format.encode(ordered[start:end])
            index.append((name, end - start, len(block)))
            blocks.append(block)
        return b"".join([json_line(index), *blocks])

    def _files(self, parts: Sequence[Path]) -> Mapping[str, Sequence[Piece]]:
        found: dict[str, list[tuple[Piece, int]]] = defaultdict(list)
        for part in parts:
            for name, piece, rows in _pieces(part):
                found[name].append((piece, rows))
        self._require_few(len(found))
        return {
            f"{name}/part-{number:05d}{self._suffix}": pieces
            for name in sorted(found)
            for number, pieces in enumerate(_grouped(found[name], self._rows_per_file))
        }

    def _placed(self, table: Table) -> tuple[list[str], NDArray[np.intp]]:
        """Return the folders of a table, in order, and for each row the place of its own there."""
        columns = []
        for name in self._by:
            coded = to_texts(name, table.column(name)).dictionary_encode(null_encoding="encode")
            self._require_few(len(coded.dictionary))
            values = [self._folder_name(name, value) for value in coded.dictionary.to_pylist()]
            columns.append(pa.array(values, pa.large_string()).take(coded.indices))
        slash = pa.scalar("/", pa.large_string())
        coded = pc.binary_join_element_wise(*columns, slash).dictionary_encode()
        names = coded.dictionary.to_pylist()
        self._found.update(names)
        self._require_few(len(self._found))
        ranks = np.argsort(np.argsort(np.array(names, dtype=object)))
        places: NDArray[np.intp] = ranks[coded.indices.to_numpy()]
        return sorted(names), places

    def _folder_name(self, column: str, value: str | None) -> str:
        if value == MISSING:
            raise InvalidData(
                f"{self._path}/ cannot be partitioned by {column!r}: it has the value {MISSING!r}, "
                f"which stands for missing ones in names of folders"
            )
        key = quote(column, safe="")
        if key[0] in "._":  # readers would take the folder for a hidden one
            key = f"%{ord(key[0]):02X}{key[1:]}"
        name = f"{key}={MISSING if value is None else quote(value, safe='')}"
        if len(name) > _LONGEST_NAME:
            raise InvalidData(
                f"{self._path}/ cannot be partitioned by {column!r}: one of its values makes the "
                f"name of a folder {len(name)} bytes long; allowed: {_LONGEST_NAME}"
            )
        return name

    def _require_few(self, folders: int) -> None:
        if folders > MOST_FOLDERS:
            raise InvalidData(
                f"{self._path}/ cannot be partitioned by {', '.join(map(repr, self._by))}: that "
                f"makes {folders:,} folders or more; allowed: {MOST_FOLDERS:,}. The output was "
                f"left as it was; name a column with fewer values"
            )


def _pieces(part: Path) -> Iterator[tuple[str, Piece, int]]:
    """Yield the folders of a chunk, and what is to be in them: where it lies, and its rows."""
    with part.open("rb") as stream:
        index = json.loads(stream.readline())
        start = stream.tell()
    for name, rows, size in index:
        yield name, Piece(part, start, size), rows
        start += size


def _grouped(found: Sequence[tuple[Piece, int]], most: int) -> Iterator[list[Piece]]:
    """Yield the pieces of each file."""
    pieces: list[Piece] = []
    total = 0
    for piece, rows in found:
        if pieces and total + rows > most:
            yield pieces
            pieces, total = [], 0
        pieces.append(piece)
        total += rows
    if pieces:
        yield pieces
