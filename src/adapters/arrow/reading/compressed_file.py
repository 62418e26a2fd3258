"""Compressed files: decompressed once to a temporary file, which is then read."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import BinaryIO
from weakref import finalize

import pyarrow as pa

from adapters.arrow.reading.watched_file import WatchedFile
from adapters.files.temporary_folders import temporary_folder
from domain.errors import Unavailable, UnreadableData

COMPRESSIONS = (".gz", ".zst")
_BLOCK = 1 << 20
_LEVELS = {".gz": 6, ".zst": 3}


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case; of a compressed file the last two, like `.csv.gz`."""
    last = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + last if last in COMPRESSIONS else last


def input_file(path: Path) -> "WatchedFile | CompressedFile":
    """Return a file to read; its suffix shows whether it is compressed."""
    return CompressedFile(path) if path.suffix.lower() in COMPRESSIONS else WatchedFile(path)


class CompressedFile:
    """A compressed file, with the interface of a `WatchedFile` that holds its content.

    Chunks cannot be read from the middle of a compressed file, so it is decompressed once, into a
    temporary folder. A copy in another process reads the same temporary file; on another machine
    it decompresses the file again. The temporary file is removed with the object that made it, or
    by the next run if the process was killed.
    """

    def __init__(
        self, path: Path, compressed: WatchedFile | None = None, content: Path | None = None
    ) -> None:
        self._compressed = compressed or WatchedFile(path)
        self._content = content
        self._lock = Lock()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "CompressedFile"], tuple[Path, WatchedFile, Path | None]]:
        return CompressedFile, (self._compressed.path, self._compressed, self._content)

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
        with _disk_errors(self._compressed.path):
            folder, remove = temporary_folder("unpacked")
        finalize(self, remove)
        partial, complete = folder / "partial", folder / "content"
        with self._compressed.opened() as stream, _disk_errors(self._compressed.path):
            with partial.open("wb") as target:
                for block in _blocks(stream, self._compressed.path):
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


def _blocks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the content of a compressed file block by block."""
    done = 0
    source = (
        gzip.GzipFile(fileobj=stream)
        if path.suffix.lower() == ".gz"
        else pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    )
    while block := _read(source, path, done):
        yield block
        done += len(block)


def _read(source: gzip.GzipFile | pa.CompressedInputStream, path: Path, done: int) -> bytes:
    try:
        block: bytes = source.read(_BLOCK)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableData(
            f"{path} cannot be decompressed: it is truncated or damaged within the {_BLOCK:,} "
            f"bytes of content after the first {done:,}: {error}"
        ) from error
    return block


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be decompressed to {gettempdir()}: {error.strerror or error}; "
            f"free some space there, or set TMPDIR to another folder"
        ) from error
