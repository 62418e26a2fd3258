"""Several files read as one table: those of a folder, or of a pattern with wildcards."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from glob import has_magic
from hashlib import sha256
from itertools import count
from pathlib import Path

from adapters.arrow.reading.partitioned_file import FileSource, PartitionedFile, is_partition
from domain.data.dataset import Chunk, DatasetVersion, is_data
from domain.data.feature import Kind
from domain.data.table import Table
from domain.data.value_type import ValueType, common_type
from domain.errors import InvalidData, Misconfigured, NotFound, Unavailable, UnreadableData

# The index of a data frame, as pandas names it in a Parquet file.
_INDEX = re.compile(r"__index_level_[0-9]+__")

FileInFolder = FileSource | PartitionedFile


class FolderSource:
    """Files with the same columns, in the order of their names; empty files are skipped.

    A chunk never spans two files, so the last chunk of each file may be short. An index that pandas
    has added to only some of the files is not a column.
    """

    def __init__(self, files: Sequence[tuple[str, FileInFolder]], uri: str) -> None:
        self._names = tuple(name for name, _ in files)
        self._sources = tuple(source for _, source in files)
        self._uri = uri

    @cached_property
    def version(self) -> DatasetVersion:
        """The digest of all names and digests, and the sum of all rows."""
        found = [(name, source.version) for _, name, source in self._filled]
        _ = self.columns
        files = [[name, version.sha256] for name, version in found]
        digest = sha256(json.dumps(files).encode()).hexdigest()
        return DatasetVersion(self._uri, digest, sum(version.rows for _, version in found))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first file; the other files have the same, in any order.

        Raises:
            InvalidData: a file has other columns; names it.
            UnreadableData: all files are empty.
        """
        if not self._filled:
            raise UnreadableData(f"{self._uri}: all files are empty")
        everywhere = set.intersection(*({*source.columns} for _, _, source in self._filled))
        found = [
            (name, tuple(c for c in source.columns if c in everywhere or not _INDEX.fullmatch(c)))
            for _, name, source in self._filled
        ]
        first_name, first = found[0]
        for name, columns in found:
            if sorted(columns) != sorted(first):
                extra = sorted({*columns} - {*first})
                missing = sorted({*first} - {*columns})
                raise InvalidData(
                    f"{self._uri}: {name!r} has other columns than {first_name!r}: missing "
                    f"{missing or 'none'}, additional {extra or 'none'}; files that are read "
                    f"together must have the same columns"
                )
        return first

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        found = [source.value_types(names) for _, _, source in self._filled]
        return {name: common_type(types[name] for types in found) for name in names}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the chunks of each file; a locator begins with the index of the file."""
        index = before = 0
        for number, name, source in self._filled:
            rows = 0
            for chunk in source.plan(rows_per_chunk):
                locator = (number, *chunk.locator)
                yield Chunk(index, before + chunk.start, chunk.rows, locator, name, before)
                index += 1
                rows += chunk.rows
            before += rows

    @cached_property
    def _filled(self) -> list[tuple[int, str, FileInFolder]]:
        """Index, name and source of each file that is not empty."""
        files = zip(count(), self._names, self._sources, strict=False)
        return [(number, name, source) for number, name, source in files if not source.is_empty]

    @property
    def note(self) -> str:
        """What was detected of the dialects of CSV files; empty if they are the usual ones."""
        notes = (getattr(source, "note", "") for _, _, source in self._filled)
        return "; ".join(filter(None, notes))

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        number, *locator = chunk.locator
        start = chunk.start - chunk.before_file
        inner = replace(chunk, start=start, locator=tuple(locator))
        return self._sources[number].read(inner, columns)


def is_several(path: Path) -> bool:
    """Whether a path is a folder or a pattern. A file whose name has wildcards is one file."""
    return path.is_dir() or (has_magic(str(path)) and not path.exists())


def files_of(path: Path) -> list[tuple[str, Path]]:
    """Return the data files of a folder or pattern, sorted, with their names relative to it.

    `is_data` selects the files by name.

    Raises:
        NotFound: there are none.
        Unavailable: the folder cannot be read.
        Misconfigured: the folder contains a folder that is not a partition `COLUMN=VALUE`.
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
    found: list[Path] = []
    for each in folder.iterdir():
        if not each.is_dir() or not is_data(each.name):
            found.append(each)
        elif is_partition(each.name):
            found += _inside(each)
        else:
            raise Misconfigured(
                f"{folder} contains the folder {each.name!r}; to read files in folders too, use a "
                f"pattern such as '{folder}/**/*.parquet'"
            )
    return found


def _root(pattern: Path) -> Path:
    """Return the folder of a pattern: what is before its first wildcard."""
    parts = pattern.parts
    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    return Path(*parts[:fixed])
