"""Files that are compressed or not UTF-8: converted once to a temporary file."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any, BinaryIO
from weakref import finalize

import pyarrow as pa

from adapters.arrow.reading.watched_file import WatchedFile
from adapters.files.temporary_folders import temporary_folder
from domain.errors import Unavailable, UnreadableData

COMPRESSIONS = (".gz", ".zst")
_BLOCK = 1 << 20
# The first bytes of a compressed file, by its suffix.
MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
_LEVELS = {".gz": 6, ".zst": 3}


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case; of a compressed file the last two, like `.csv.gz`."""
    last = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + last if last in COMPRESSIONS else last


def input_file(path: Path, encoding: str | None = None) -> "WatchedFile | CompressedFile":
    """Return a file to read as UTF-8; its suffix shows whether it is compressed."""
    if encoding is None and path.suffix.lower() not in COMPRESSIONS:
        return WatchedFile(path)
    return CompressedFile(path, encoding)


class CompressedFile:
    """A compressed file, with the interface of a `WatchedFile` that holds its content.

    Chunks cannot be read from the middle of a compressed file, so it is decompressed once, into a
    temporary folder; a file of another encoding is converted to UTF-8 likewise. A copy in another
    process reads the same temporary file; on another machine it converts the file again. The
    temporary file is removed with the object that made it, or by the next run if the process was
    killed.
    """

    def __init__(
        self,
        path: Path,
        encoding: str | None = None,
        compressed: WatchedFile | None = None,
        content: Path | None = None,
    ) -> None:
        self._encoding = encoding
        self._compressed = compressed or WatchedFile(path)
        self._content = content
        self._lock = Lock()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "CompressedFile"], tuple[Any, ...]]:
        arguments = (self._compressed.path, self._encoding, self._compressed, self._content)
        return CompressedFile, arguments

    @property
    def path(self) -> Path:
        """The file with the content.

        Raises:
            NotFound, ChecksumMismatch: the compressed file does not exist, or was changed.
            Unavailable: it cannot be read, or the disk is full.
            UnreadableData: it is truncated or damaged.
        """
        with self._lock:
            if self._content is None or not self._content.exists():
                self._content = self._decompress()
            return self._content

    @contextmanager
    def unchanged(self) -> Iterator[Path]:
        """Yield the path of the content; errors as `path`."""
        with self._compressed.unchanged():
            yield self.path

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the content for reading; errors as `path`."""
        with self.unchanged() as path, path.open("rb") as stream:
            yield stream

    def _decompress(self) -> Path:
        with disk_errors(self._compressed.path):
            folder, remove = temporary_folder("unpacked")
        finalize(self, remove)
        partial, complete = folder / "partial", folder / "content"
        with self._compressed.opened() as stream, disk_errors(self._compressed.path):
            with partial.open("wb") as target:
                content = blocks(stream, self._compressed.path)
                for block in _decoded(content, self._encoding, self._compressed.path):
                    target.write(block)
            partial.replace(complete)
        return complete


def compress(suffix: str, content: bytes) -> bytes:
    """Return a gzip member or a Zstandard frame; without a suffix the content itself.

    The same content gives the same bytes. Concatenated results are one compressed file.
    """
    if not suffix:
        return content
    if suffix == ".gz":
        return gzip.compress(content, _LEVELS[suffix], mtime=0)
    codec = pa.Codec("zstd", _LEVELS[suffix])
    compressed: bytes = codec.compress(content, asbytes=True)
    return compressed


def blocks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the content of a compressed file block by block."""
    done = 0
    source: Any = stream
    if path.suffix.lower() == ".gz":
        source = gzip.GzipFile(fileobj=stream)
    elif path.suffix.lower() == ".zst":
        source = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    while block := _read(source, path, done):
        yield block
        done += len(block)


def _decoded(blocks: Iterator[bytes], encoding: str | None, path: Path) -> Iterator[bytes]:
    """Yield text of an encoding as UTF-8."""
    if encoding is None:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", True).encode()
    except UnicodeError as error:
        raise UnreadableData(
            f"{path} is not {encoding}: {getattr(error, 'reason', error)}; name another --encoding"
        ) from error


def _read(source: Any, path: Path, done: int) -> bytes:
    try:
        block: bytes = source.read(_BLOCK)
    except (OSError, EOFError, zlib.error) as error:
        with path.open("rb") as stream:
            magic = MAGIC[path.suffix.lower()]
            if stream.read(len(magic)) != magic:
                raise UnreadableData(
                    f"{path} is not compressed, or not in the way that its name says; a name that "
                    f"ends in {path.suffix} needs such a file"
                ) from error
        raise UnreadableData(
            f"{path} cannot be decompressed: it is truncated or damaged within the {_BLOCK:,} "
            f"bytes of content after the first {done:,}: {error}"
        ) from error
    return block


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate errors of writing a copy of a file to the temporary folder."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be copied to {gettempdir()}: {error.strerror or error}; "
            f"free some space there, or set TMPDIR to another folder"
        ) from error
