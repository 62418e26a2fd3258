"""Several files of one table, read as one source: a folder, or a pattern with wildcards."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from glob import has_magic
from hashlib import sha256
from pathlib import Path

from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.reading.json_lines_source import JsonLinesSource
from adapters.arrow.reading.parquet_source import ParquetSource
from domain.data.dataset import Chunk, DatasetVersion, is_data
from domain.data.feature import Kind
from domain.data.table import Table
from domain.errors import InvalidData, Misconfigured, NotFound, Unavailable

FileSource = CsvSource | ParquetSource | JsonLinesSource


class FolderSource:
    """Files with the same columns, one after the other in the order of their names.

    Which files there are is found out once. A chunk never spans two files, so the last one of
    each file may be short.
    """

    def __init__(self, files: Sequence[tuple[str, FileSource]], uri: str) -> None:
        self._names = tuple(name for name, _ in files)
        self._sources = tuple(source for _, source in files)
        self._uri = uri
        self._version: DatasetVersion | None = None

    @property
    def version(self) -> DatasetVersion:
        """The digest of the names and digests of all files; rows of all."""
        if self._version is None:
            found = [source.version for source in self._sources]
            _ = self.columns
            parts = [[name, v.sha256] for name, v in zip(self._names, found, strict=True)]
            digest = sha256(json.dumps(parts).encode()).hexdigest()
            self._version = DatasetVersion(self._uri, digest, sum(v.rows for v in found))
        return self._version

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first file; every other has the same, in whatever order.

        Raises:
            InvalidData: some file has others; says which.
        """
        first = self._sources[0].columns
        for name, source in zip(self._names, self._sources, strict=True):
            if sorted(source.columns) != sorted(first):
                more = sorted({*source.columns} - {*first})
                lacking = sorted({*first} - {*source.columns})
                raise InvalidData(
                    f"{self._uri}: {name!r} has other columns than {self._names[0]!r}: it lacks "
                    f"{lacking or 'none'}, and has {more or 'none'} beside; files that are read "
                    f"together must have the same columns"
                )
        return first

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Cut file by file; the locator begins with the place of the file."""
        index = before = 0
        for place, (name, source) in enumerate(zip(self._names, self._sources, strict=True)):
            rows = 0
            for chunk in source.plan(rows_per_chunk):
                locator = (place, *chunk.locator)
                yield Chunk(index, before + chunk.start, chunk.rows, locator, name, before)
                index += 1
                rows += chunk.rows
            before += rows

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        place, *locator = chunk.locator
        start = chunk.start - chunk.before_file
        inner = replace(chunk, start=start, locator=tuple(locator))
        return self._sources[place].read(inner, columns)


def is_several(path: Path) -> bool:
    """Whether a path names a folder, or files by wildcards; a file of just that name is one."""
    return path.is_dir() or (has_magic(str(path)) and not path.exists())


def files_of(path: Path) -> list[tuple[str, Path]]:
    """Return the files of a folder or pattern, each with its name from there on, in its order.

    What counts is what `is_data`.

    Raises:
        NotFound: there are none.
        Unavailable: the folder may not be read.
        Misconfigured: the folder holds a folder.
    """
    try:
        root = path if path.is_dir() else _root(path)
        found = _inside(path) if path.is_dir() else [*root.glob(str(path.relative_to(root)))]
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror or error}") from error
    names = [(each.relative_to(root).as_posix(), each) for each in found if each.is_file()]
    files = [(name, each) for name, each in names if is_data(name)]
    if not files:
        raise NotFound(f"{path}: there are no files to read")
    return sorted(files)


def _inside(folder: Path) -> list[Path]:
    found = [*folder.iterdir()]
    for each in found:
        if each.is_dir() and is_data(each.name):
            raise Misconfigured(
                f"{folder} holds the folder {each.name!r}; to read what is in folders too, name "
                f"them by a pattern such as '{folder}/**/*.parquet'"
            )
    return found


def _root(pattern: Path) -> Path:
    """Return the part of a pattern before its first wildcard."""
    parts = pattern.parts
    fixed = next(place for place, part in enumerate(parts) if has_magic(part))
    return Path(*parts[:fixed])
