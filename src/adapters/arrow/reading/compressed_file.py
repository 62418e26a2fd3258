"""Compressed files: read as what is in them, which is unpacked once to a temporary file."""

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

PACKED = (".gz", ".zst")
_BLOCK = 1 << 20
_LEVELS = {".gz": 6, ".zst": 3}


def suffix_of(path: Path) -> str:
    """Return the suffix that says the format, in lower case: both where a file is compressed."""
    last = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + last if last in PACKED else last


def watch(path: Path) -> "WatchedFile | PackedFile":
    """Return a file to be read, unpacked where its suffix says that it is compressed."""
    return PackedFile(path) if path.suffix.lower() in PACKED else WatchedFile(path)


class PackedFile:
    """A compressed file, read as a `WatchedFile` that holds what is in it.

    A compressed file can only be read from its beginning, so it is unpacked once, below the
    folder for temporary files. A copy in another process reads that file too, or, where it
    does not see it, unpacks for itself. It is removed with the object that made it, or by the
    next run where that was killed.
    """

    def __init__(
        self, path: Path, packed: WatchedFile | None = None, unpacked: Path | None = None
    ) -> None:
        self._packed = packed or WatchedFile(path)
        self._unpacked = unpacked
        self._lock = Lock()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "PackedFile"], tuple[Path, WatchedFile, Path | None]]:
        return PackedFile, (self._packed.path, self._packed, self._unpacked)

    @property
    def path(self) -> Path:
        """The file that holds what is in the compressed one.

        Raises:
            NotFound, ChecksumMismatch: the compressed file is not there, or not as it was.
            Unavailable: it cannot be read, or there is no room to unpack it.
            UnreadableData: it is cut off or damaged.
        """
        with self._lock:
            if self._unpacked is None or not self._unpacked.exists():
                self._unpacked = self._unpack()
            return self._unpacked

    @contextmanager
    def watched(self) -> Iterator[Path]:
        """Hand out the path of the unpacked file; errors as `path`."""
        with self._packed.watched():
            yield self.path

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the unpacked file for reading; errors as `path`."""
        with self.watched() as path, path.open("rb") as stream:
            yield stream

    def _unpack(self) -> Path:
        with _making_room(self._packed.path):
            folder, remove = temporary_folder("unpacked")
        finalize(self, remove)
        partial, whole = folder / "partial", folder / "content"
        with self._packed.opened() as stream, _making_room(self._packed.path):
            with partial.open("wb") as target:
                for block in _blocks(stream, self._packed.path):
                    target.write(block)
            partial.replace(whole)
        return whole


def pack(suffix: str, content: bytes) -> bytes:
    """Return a gzip member or a Zstandard frame: the same for the same bytes, whenever it is made.

    Several of them, one after the other, are one compressed file.
    """
    if suffix == ".gz":
        return gzip.compress(content, _LEVELS[suffix], mtime=0)
    codec = pa.Codec("zstd", _LEVELS[suffix])
    packed: bytes = codec.compress(content, asbytes=True)
    return packed


def _blocks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield what is in a compressed file, a block at a time."""
    done = 0
    opened = gzip.GzipFile(fileobj=stream) if path.suffix.lower() == ".gz" else _zstandard(stream)
    while block := _read(opened, path, done):
        yield block
        done += len(block)


def _zstandard(stream: BinaryIO) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


def _read(opened: gzip.GzipFile | pa.CompressedInputStream, path: Path, done: int) -> bytes:
    try:
        block: bytes = opened.read(_BLOCK)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableData(
            f"{path} cannot be unpacked: it is cut off or damaged within the {_BLOCK:,} bytes of "
            f"content that follow the first {done:,}: {error}"
        ) from error
    return block


@contextmanager
def _making_room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be unpacked to {gettempdir()}: {error.strerror or error}; "
            f"make room there, or name another folder by TMPDIR"
        ) from error
