"""Which adapter reads or writes a file, by its suffix."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from adapters.arrow.reading.compressed_file import PACKED, suffix_of
from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.reading.folder_source import FileSource, FolderSource, files_of, is_several
from adapters.arrow.reading.json_lines_source import JsonLinesSource
from adapters.arrow.reading.parquet_source import ParquetSource
from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.folder_sink import PARQUET, FolderSink
from adapters.arrow.writing.partitioned_sink import PartitionedSink
from domain.errors import Misconfigured

_SOURCES: Mapping[str, type[FileSource]] = {
    ".csv": CsvSource,
    ".parquet": ParquetSource,
    ".jsonl": JsonLinesSource,
    **{f".csv{packed}": CsvSource for packed in PACKED},
    **{f".jsonl{packed}": JsonLinesSource for packed in PACKED},
}


def open_source(
    path: Path, uri: str | None = None, *, with_md5: bool = True
) -> FileSource | FolderSource:
    """Return the source that reads a file, or all of a folder or pattern.

    `uri` says where a file is from, if not its path. The version of one file has its MD5, unless
    that is left out; several files together have none.

    Raises:
        Misconfigured: the suffix is not that of a format that can be read, or files are of
            several formats.
        NotFound: no file is in the folder, or fits the pattern.
    """
    if is_several(path):
        files = files_of(path)
        _require_one_format(str(path), [name for name, _ in files])
        return FolderSource([(name, _open_file(each, None)) for name, each in files], str(path))
    return _open_file(path, uri, with_md5=with_md5)


def open_copies(uri: str, copies: Sequence[tuple[str, str, Callable[[], Path]]]) -> FolderSource:
    """Return the source that reads files from elsewhere: their names, URIs, and what fetches them.

    Raises:
        Misconfigured: they are of several formats, or of none that can be read.
    """
    _require_one_format(uri, [name for name, _, _ in copies])
    return FolderSource([(name, _open_file(fetch(), of)) for name, of, fetch in copies], uri)


def _require_one_format(where: str, names: Sequence[str]) -> None:
    """Check that files differ by their compression at most: nothing must be left out unsaid."""
    suffixes = {suffix_of(Path(name)): name for name in reversed(names)}
    for suffix, name in suffixes.items():
        if suffix not in _SOURCES:
            raise _unknown(f"{where}: {name!r}")
    formats = {suffix.removesuffix(".gz").removesuffix(".zst"): name
               for suffix, name in suffixes.items()}  # fmt: skip
    if len(formats) > 1:
        (_, one), (_, other), *_ = sorted(formats.items())
        pattern = f"{where.rstrip('/')}/*.csv" if "*" not in where else "data/*.csv"
        raise Misconfigured(
            f"{where} holds files of several formats, such as {one!r} and {other!r}; name those "
            f"of one by a pattern such as '{pattern}'"
        )


def _open_file(path: Path, uri: str | None, *, with_md5: bool = False) -> FileSource:
    source = _SOURCES.get(suffix_of(path))
    if source is None:
        raise _unknown(path)
    return source(path, uri and _without_password(uri), with_md5=with_md5)


def open_sink(path: Path) -> FileSink:
    """Return the sink that writes a file.

    Raises:
        Misconfigured: the suffix is not that of a format that can be written.
    """
    return FileSink(path)


def open_folder_sink(path: Path, suffix: str = PARQUET, by: Sequence[str] = ()) -> FolderSink:
    """Return the sink that writes a folder of files, partitioned `by` columns where there are any.

    Raises:
        Misconfigured: the suffix is not that of a format that can be written.
    """
    return PartitionedSink(path, by, suffix) if by else FolderSink(path, suffix)


def _unknown(where: object) -> Misconfigured:
    return Misconfigured(f"{where}: the suffix must be one of {', '.join(_SOURCES)} to be read")


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
