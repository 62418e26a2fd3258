"""From a data URI to the adapter that reads or writes it."""

import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from application.ports import DataSource, PredictionSink
from domain.data.dialect import UNKNOWN, Dialect
from domain.errors import Misconfigured
from entrypoints.wiring.extras import needs
from entrypoints.wiring.settings import REFERENCE_PATH, Settings

STDIN = "-"
STDOUT = ("-", "/dev/stdout")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SECRETS = re.compile(r"(?<=://).*@|\?[^#]*")


def open_source(
    settings: Settings,
    uri: str | None = None,
    *,
    with_md5: bool = True,
    since: str | None = None,
    target: str = "",
    dialect: Dialect = UNKNOWN,
) -> DataSource:
    """Return the source of a data URI; default: the configured one.

    With `since`, a column, it has only the rows with a greater value than those in the table
    `target`. `dialect` is that of text files.

    Only the manifest of a model records the MD5 of a file; `with_md5=False` halves the time of
    fingerprinting.

    Raises:
        Misconfigured: it is not a data URI.
        NotFound, Unavailable, InvalidData: it cannot be opened.
    """
    uri = uri or settings.data
    if since is not None and not (_is_database(uri or "") and _is_database(target)):
        raise Misconfigured(
            "only the new rows of a database can be read, and only into a table of a database"
        )
    if uri is None:
        return _open_file(fetch_reference_data(settings), None, with_md5, dialect)
    scheme = _scheme(uri)
    if scheme in ("http", "https"):
        return _open_file(_fetched(uri, None, settings), public_uri(uri), with_md5, dialect)
    if scheme == "s3":
        return _open_objects(uri, settings, with_md5, dialect)
    if scheme in ("", "file") and not uri.startswith("sample:"):
        is_stdin = uri == STDIN
        path = Path("/dev/stdin") if is_stdin else _path(uri)
        return _open_file(path, "stdin" if is_stdin else None, with_md5, dialect)
    if dialect != UNKNOWN:
        raise Misconfigured(
            f"{public_uri(uri)} is not a file; --delimiter, --decimal and --encoding are allowed "
            f"only for text files"
        )
    if scheme:
        return _open_table(uri, since, target)
    return _open_sample(uri.removeprefix("sample:"))


def reading_note(source: DataSource) -> str:
    """Return what was detected of the dialect of CSV files; empty if it is the usual one."""
    return getattr(source, "note", "")


def open_sink(
    settings: Settings,
    uri: str,
    file_format: str | None = None,
    partition_by: Sequence[str] = (),
    key: str | None = None,
) -> PredictionSink:
    """Return the sink of a data URI: a file, a folder, a stream, an object or a database table.

    Only a folder (default: Parquet) and a stream (default: CSV) have a file format, only a folder
    has columns to partition by. Only a table has a key column, whose rows of earlier jobs are
    replaced.

    Raises:
        Misconfigured: it cannot be written.
    """
    scheme = _scheme(uri)
    if scheme in ("http", "https") or uri.startswith("sample:"):
        raise Misconfigured(
            f"{public_uri(uri)} cannot be written to; "
            f"allowed: a path, s3://BUCKET/KEY or a database URL"
        )
    if key is not None and not _is_database(uri):
        raise Misconfigured(f"{public_uri(uri)}: a key is allowed only for a table of a database")
    if scheme in ("", "file") and uri.endswith("/"):
        return _open_files(_path(uri), f".{file_format or 'parquet'}", partition_by)
    if scheme in ("", "file") and not partition_by:
        stream = _open_stream(_path(uri), file_format and f".{file_format}")
        if stream is not None:
            return stream
    if file_format or partition_by:
        raise Misconfigured(
            f"{public_uri(uri)} is not a folder; --format and --partition-by are allowed only for "
            f"a folder on a disk, with a slash at its end"
        )
    if scheme in ("", "file"):
        return _open_files(_path(uri))
    if scheme == "s3":
        return _open_object_sink(uri, settings)
    return _open_table_sink(uri, key)


def guarantee_warnings(source: str, target: str) -> list[str]:
    """Return warnings about guarantees that a database other than PostgreSQL and SQLite lacks."""
    warnings = []
    if (name := _other_database(source)) is not None:
        warnings.append(
            f"{name} is read without a snapshot: the job fails (65) if the table changes meanwhile"
        )
    if (name := _other_database(target)) is not None:
        warnings.append(
            f"{name} is written without a lock: make sure that no other run of this job writes"
        )
    return warnings


def _other_database(uri: str) -> str | None:
    """Return the name of a database that is neither PostgreSQL nor SQLite."""
    name = _scheme(uri).partition("+")[0]
    is_database = bool(name) and name not in ("file", "http", "https", "s3")
    return name if is_database and name not in ("postgresql", "sqlite") else None


def _is_database(uri: str) -> bool:
    is_sample = uri.startswith("sample:")
    return not is_sample and _scheme(uri) not in ("", "file", "http", "https", "s3")


def with_query(uri: str, query: str | None) -> str:
    """Return the data URI of the rows that a query of a database returns; without one the URI.

    Raises:
        Misconfigured: the URI is not of a database without a #TABLE, or it is not a query.
    """
    if query is None:
        return uri
    if not _is_database(uri) or "#" in uri:
        raise Misconfigured(
            f"{public_uri(uri)}: a query is allowed only with a database URL without a #TABLE"
        )
    if not re.match(r"\s*(select|with)\s", query, re.IGNORECASE):
        raise Misconfigured("the query must begin with SELECT or WITH")
    return f"{uri}#{query}"


def has_secret(uri: str) -> bool:
    """Whether a data URI may contain a secret: a password; on the web also a user or a query."""
    scheme = _scheme(uri)
    if scheme in ("", "file", "http", "https", "s3"):
        return public_uri(uri) != uri
    from adapters.sql.database import Database, split_query

    address, query = split_query(uri)
    return Database.parse(address if query else uri.rpartition("#")[0] or uri).has_secret


def public_uri(uri: str) -> str:
    """Return a data URI without user, password and query, which may be secrets."""
    return uri if _scheme(uri) in ("", "file") else _SECRETS.sub("", uri)


def require_distinct(source: str, target: str) -> None:
    """Check that the output does not replace or join the input.

    Raises:
        Misconfigured: both are the same file, or the output would be one of the input files.
    """
    if {_scheme(source), _scheme(target)} <= {"", "file"}:
        path, output = _path(source), _path(target)
        same = path.exists() and output.exists() and path.samefile(output)
        target_path = output.resolve().as_posix() + ("/" if target.endswith("/") else "")
        if path.is_dir():
            folders = takewhile(lambda folder: "=" in folder.name, output.resolve().parents)
            within = path.resolve() in (output.resolve().parent, *(f.parent for f in folders))
        else:
            is_pattern = has_magic(source) and not path.exists()
            within = is_pattern and _matches(path.resolve().as_posix(), target_path)
    elif {_scheme(source), _scheme(target)} == {"s3"}:
        same = source == target
        within = not same and _matches(f"{source}*" if source.endswith("/") else source, target)
    else:
        return
    if same:
        raise Misconfigured(f"{public_uri(target)} is the input; name another file to write to")
    if within:
        raise Misconfigured(
            f"{public_uri(target)} would be one of the files of the input "
            f"{public_uri(source)}; name another folder to write to"
        )


def _matches(pattern: str, output: str) -> bool:
    """Whether a pattern would match the output when it is read again."""
    folder, _, last = pattern.rpartition("/")
    parent, _, name = output.rstrip("/").rpartition("/")
    name_matches = fnmatch(name, last)
    if "**" in folder:
        return output.startswith(folder.partition("**")[0]) and (
            name_matches or output.endswith("/")
        )
    return name_matches and parent.count("/") == folder.count("/") and fnmatch(parent, folder)


def leave_pandas_out() -> None:
    """Keep Arrow, if it is loaded, from importing pandas, for processes that only score."""
    if "pyarrow" in sys.modules:
        from adapters.arrow.without_pandas import leave_pandas_out as arrow_without

        arrow_without()


def fetch_reference_data(settings: Settings) -> Path:
    """Return the path of the reference data; download and verify it if it does not exist."""
    if REFERENCE_PATH.exists():
        return REFERENCE_PATH
    from adapters.files.atomic_writes import os_errors_as_unavailable, replace_file

    content = _fetched(settings.data_url, settings.data_sha256, settings).read_bytes()
    with os_errors_as_unavailable(REFERENCE_PATH):
        replace_file(REFERENCE_PATH, content)
    return REFERENCE_PATH


@needs("train")
def _open_file(path: Path, uri: str | None, with_md5: bool, dialect: Dialect) -> DataSource:
    from adapters.arrow.open_by_suffix import open_source as open_source_by_suffix

    return open_source_by_suffix(path, uri, with_md5=with_md5, dialect=dialect)


def _open_sample(rows: str) -> DataSource:
    from adapters.simulator.simulated_source import SimulatedSource

    if not re.fullmatch("[0-9]{1,12}", rows) or int(rows) < 1:
        raise Misconfigured(
            f"sample:{rows} is not a sample; allowed: sample:ROWS, such as sample:1000"
        )
    return SimulatedSource(int(rows))


@needs("sql")
def _open_table(uri: str, since: str | None, target: str) -> DataSource:
    from adapters.sql.sql_sink import SqlSink
    from adapters.sql.sql_source import SqlSource

    greatest = None if since is None else SqlSink(target).greatest(since)
    return SqlSource(uri, since=None if greatest is None else (str(since), greatest))


@needs("train")
def _open_files(path: Path, suffix: str | None = None, by: Sequence[str] = ()) -> PredictionSink:
    from adapters.arrow.open_by_suffix import open_sink as open_sink_by_suffix

    return open_sink_by_suffix(path, suffix, by)


@needs("train")
def _open_stream(path: Path, suffix: str | None) -> PredictionSink | None:
    from adapters.arrow.open_by_suffix import open_stream_sink

    return open_stream_sink(path, suffix)


@needs("objects")
def _open_object_sink(uri: str, settings: Settings) -> PredictionSink:
    from adapters.objects.object_sink import ObjectSink

    return ObjectSink.at(uri, settings.home / "objects", _open_files)


@needs("objects")
def _open_objects(uri: str, settings: Settings, with_md5: bool, dialect: Dialect) -> DataSource:
    from adapters.arrow.open_by_suffix import open_copies
    from adapters.objects.object_download import fetch, fetch_as
    from adapters.objects.object_listing import is_several, listed

    cache = settings.home / "cache"
    if not is_several(uri):
        return _open_file(fetch(uri, cache), uri, with_md5, dialect)
    return open_copies(
        uri,
        [
            (each.name, str(each.address), partial(fetch_as, each.address, each.state, cache))
            for each in listed(uri)
        ],
        dialect,
    )


@needs("sql")
def _open_table_sink(uri: str, key: str | None) -> PredictionSink:
    from adapters.sql.sql_sink import SqlSink

    return SqlSink(uri, key)


@needs("train")
def _fetched(url: str, sha256: str | None, settings: Settings) -> Path:
    from adapters.http.resumable_download import fetch

    return fetch(url, sha256, settings.home / "cache")


def _scheme(uri: str) -> str:
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def _path(uri: str) -> Path:
    if uri.lower().startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri)
