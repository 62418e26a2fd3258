"""The adapter that reads or writes a file, chosen by its suffix."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from adapters.arrow.reading.compressed_file import COMPRESSIONS, suffix_of
from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.reading.folder_source import FolderSource, files_of, is_several
from adapters.arrow.reading.json_lines_source import JsonLinesSource
from adapters.arrow.reading.parquet_source import ParquetSource
from adapters.arrow.reading.partitioned_file import FileSource, in_partition
from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.output_formats import format_of
from adapters.arrow.writing.output_layouts import FolderLayout, SingleFileLayout
from adapters.arrow.writing.partitions import PartitionedLayout
from domain.errors import Misconfigured

_SOURCES: Mapping[str, type[FileSource]] = {
    ".csv": CsvSource,
    ".parquet": ParquetSource,
    ".jsonl": JsonLinesSource,
    **{f".csv{compression}": CsvSource for compression in COMPRESSIONS},
    **{f".jsonl{compression}": JsonLinesSource for compression in COMPRESSIONS},
}


def open_source(
    path: Path, uri: str | None = None, *, with_md5: bool = True
) -> FileSource | FolderSource:
    """Return the source that reads a file, or all files of a folder or pattern.

    `uri` is the original address of the file; default: its path. The version of a single file
    includes its MD5 if `with_md5`.

    Raises:
        Misconfigured: the suffix is not that of a format that can be read, or the files have
            several formats.
        NotFound: the folder has no files, or the pattern matches none.
    """
    if is_several(path):
        files = files_of(path)
        _require_one_format(str(path), [name for name, _ in files])
        opened = [(name, in_partition(name, _open_file(each, None))) for name, each in files]
        return FolderSource(opened, str(path))
    return _open_file(path, uri, with_md5=with_md5)


def open_copies(uri: str, copies: Sequence[tuple[str, str, Callable[[], Path]]]) -> FolderSource:
    """Return the source that reads local copies of remote files: name, URI, download of each.

    Raises:
        Misconfigured: they have several formats, or none that can be read.
    """
    _require_one_format(uri, [name for name, _, _ in copies])
    opened = [(n, in_partition(n, _open_file(fetch(), of))) for n, of, fetch in copies]
    return FolderSource(opened, uri)


def _require_one_format(where: str, names: Sequence[str]) -> None:
    """Check that all files have the same format, compressed or not; no file is ignored."""
    suffixes = {suffix_of(Path(name)): name for name in reversed(names)}
    for suffix, name in suffixes.items():
        if suffix not in _SOURCES:
            raise _unknown_suffix(f"{where}: {name!r}")
    formats = {suffix.removesuffix(".gz").removesuffix(".zst"): name
               for suffix, name in suffixes.items()}  # fmt: skip
    if len(formats) > 1:
        (_, one), (_, other), *_ = sorted(formats.items())
        pattern = f"{where.rstrip('/')}/*.csv" if "*" not in where else "data/*.csv"
        raise Misconfigured(
            f"{where} holds files of several formats, such as {one!r} and {other!r}; select one "
            f"format by a pattern such as '{pattern}'"
        )


def _open_file(path: Path, uri: str | None, *, with_md5: bool = False) -> FileSource:
    source = _SOURCES.get(suffix_of(path))
    if source is None:
        raise _unknown_suffix(path)
    return source(path, uri and _without_password(uri), with_md5=with_md5)


def open_sink(path: Path, suffix: str | None = None, by: Sequence[str] = ()) -> FileSink:
    """Return the sink that writes a file, or a folder of files with a suffix.

    A folder can be partitioned `by` columns.

    Raises:
        Misconfigured: the suffix is not that of a format that can be written, or a column is named
            twice.
    """
    output_format = format_of(suffix or suffix_of(path), path)
    if suffix is None:
        return FileSink(SingleFileLayout(path, output_format))
    if by:
        return FileSink(PartitionedLayout(path, tuple(by), output_format))
    return FileSink(FolderLayout(path, output_format))


def _unknown_suffix(where: object) -> Misconfigured:
    return Misconfigured(f"{where}: the suffix must be one of {', '.join(_SOURCES)} to be read")


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
