"""The adapter that reads or writes a file, chosen by its suffix."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from weakref import finalize

from adapters.arrow.reading.compressed_file import COMPRESSIONS, suffix_of
from adapters.arrow.reading.csv_source import CsvSource
from adapters.arrow.reading.folder_source import FolderSource, files_of, is_several
from adapters.arrow.reading.json_array import as_json_lines
from adapters.arrow.reading.json_lines_source import JsonLinesSource
from adapters.arrow.reading.parquet_source import ParquetSource
from adapters.arrow.reading.partitioned_file import FileSource, in_partition
from adapters.arrow.reading.stream_copy import copied, is_stream
from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.output_formats import FORMATS, format_of
from adapters.arrow.writing.output_layouts import FolderLayout, SingleFileLayout
from adapters.arrow.writing.partitions import PartitionedLayout
from adapters.arrow.writing.stream_sink import StreamSink
from domain.data.dialect import UNKNOWN, Dialect
from domain.errors import Misconfigured

_TEXTS: Mapping[str, type[CsvSource | JsonLinesSource]] = {
    ".csv": CsvSource,
    ".tsv": CsvSource,
    ".jsonl": JsonLinesSource,
    ".json": JsonLinesSource,  # after conversion
}
_SOURCES: Mapping[str, type[FileSource]] = {
    ".parquet": ParquetSource,
    **{
        f"{suffix}{compression}": source
        for compression in ("", *COMPRESSIONS)
        for suffix, source in _TEXTS.items()
    },
}


def open_source(
    path: Path, uri: str | None = None, *, with_md5: bool = True, dialect: Dialect = UNKNOWN
) -> FileSource | FolderSource:
    """Return the source that reads a file, or all files of a folder or pattern.

    `uri` is the original address of the file; default: its path. The version of a single file
    includes its MD5 if `with_md5`.

    Raises:
        Misconfigured: the suffix is not that of a format that can be read, the files have several
            formats, or the dialect is not one of theirs.
        NotFound: the folder has no files, or the pattern matches none.
    """
    if is_stream(path):
        copy, remove = copied(path, suffix_of(path) if suffix_of(path) in _SOURCES else "")
        source = _open_file(copy, uri or str(path), dialect, with_md5=with_md5)
        finalize(source, remove)
        return source
    if is_several(path):
        files = files_of(path)
        _require_one_format(str(path), [name for name, _ in files])
        opened = [(n, in_partition(n, _open_file(each, None, dialect))) for n, each in files]
        return FolderSource(opened, str(path))
    return _open_file(path, uri, dialect, with_md5=with_md5)


def open_copies(
    uri: str,
    copies: Sequence[tuple[str, str, Callable[[], Path]]],
    dialect: Dialect = UNKNOWN,
) -> FolderSource:
    """Return the source that reads local copies of remote files: name, URI, download of each.

    Raises:
        Misconfigured: they have several formats, or none that can be read.
    """
    _require_one_format(uri, [name for name, _, _ in copies])
    opened = [(n, in_partition(n, _open_file(fetch(), of, dialect))) for n, of, fetch in copies]
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


def _open_file(
    path: Path, uri: str | None, dialect: Dialect, *, with_md5: bool = False
) -> FileSource:
    source = _SOURCES.get(suffix_of(path))
    if source is None:
        raise _unknown_suffix(path)
    uri = uri and _without_password(uri)
    if source is CsvSource:
        return CsvSource(path, uri, with_md5=with_md5, dialect=dialect)
    if dialect.delimiter or dialect.decimal or (dialect.encoding and source is ParquetSource):
        raise Misconfigured(
            f"{uri or path} is not a CSV file; --delimiter and --decimal are allowed only for CSV, "
            f"--encoding also for JSON Lines"
        )
    if suffix_of(path).startswith(".json") and not suffix_of(path).startswith(".jsonl"):
        lines, remove = as_json_lines(path, dialect.encoding)
        array = JsonLinesSource(lines, uri or str(path), with_md5=with_md5)
        finalize(array, remove)
        return array
    if source is JsonLinesSource:
        return JsonLinesSource(path, uri, with_md5=with_md5, encoding=dialect.encoding)
    return source(path, uri, with_md5=with_md5)


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


def open_stream_sink(path: Path, suffix: str | None) -> StreamSink | None:
    """Return the sink that writes to a pipe or stdout (`-`), CSV by default; None for a file.

    Raises:
        Misconfigured: no format with this suffix can be written.
    """
    if str(path) != "-" and not is_stream(path):
        return None
    own = suffix_of(path)
    return StreamSink(path, suffix or (own if own in FORMATS else ".csv"))


def _unknown_suffix(where: object) -> Misconfigured:
    return Misconfigured(f"{where}: the suffix must be one of {', '.join(_SOURCES)} to be read")


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
