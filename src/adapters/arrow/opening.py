"""Which adapter reads or writes a file, by its suffix."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from adapters.arrow.csv_source import CsvSource
from adapters.arrow.file_sink import FileSink
from adapters.arrow.json_lines_source import JsonLinesSource
from adapters.arrow.packed import PACKED, suffix_of
from adapters.arrow.parquet_source import ParquetSource
from domain.errors import Misconfigured

FileSource: TypeAlias = CsvSource | ParquetSource | JsonLinesSource

_SOURCES: Mapping[str, Callable[[Path, str | None], FileSource]] = {
    ".csv": CsvSource,
    ".parquet": ParquetSource,
    ".jsonl": JsonLinesSource,
    **{f".csv{packed}": CsvSource for packed in PACKED},
    **{f".jsonl{packed}": JsonLinesSource for packed in PACKED},
}


def open_source(path: Path, uri: str | None = None) -> FileSource:
    """Return the source that reads a file; `uri` says where it is from, if not its path.

    Raises:
        Misconfigured: the suffix is not that of a format that can be read.
    """
    source = _SOURCES.get(suffix_of(path))
    if source is None:
        raise Misconfigured(f"{path}: the suffix must be one of {', '.join(_SOURCES)} to be read")
    return source(path, uri and _without_password(uri))


def open_sink(path: Path) -> FileSink:
    """Return the sink that writes a file.

    Raises:
        Misconfigured: the suffix is not that of a format that can be written.
    """
    return FileSink(path)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
