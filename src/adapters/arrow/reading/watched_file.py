"""A file that is read more than once and must stay the same in the meantime."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from domain.errors import ChecksumMismatch, InvalidData, NotFound, Unavailable

_BLOCK = 4 << 20
_WORTH_A_THREAD = 1 << 20
_AHEAD = 3  # blocks that are held at most


@dataclass(slots=True)
class WatchedFile:
    """A local file. What was true of it at the first look must be true at every later one."""

    path: Path
    _seen: tuple[int, int] | None = field(default=None, repr=False)

    @contextmanager
    def unchanged(self) -> Iterator[Path]:
        """Hand out the path for reading.

        Raises:
            NotFound: there is no such file.
            Unavailable: it may not be read.
            ChecksumMismatch: it was changed since the first look, or in the meantime.
        """
        self._require_unchanged()
        try:
            yield self.path
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}") from error
        finally:
            self._require_unchanged()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file for reading; errors as `unchanged`."""
        with self.unchanged() as path, path.open("rb") as stream:
            yield stream

    def _require_unchanged(self) -> None:
        try:
            status = self.path.stat()
        except PermissionError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}") from error
        except (OSError, ValueError) as error:
            raise NotFound(f"there is no file {str(self.path)!r}") from error
        if not self.path.is_file():
            raise NotFound(f"{str(self.path)!r} is not a file")
        signature = (status.st_size, status.st_mtime_ns)
        if self._seen is None:
            self._seen = signature
        elif self._seen != signature:
            raise ChecksumMismatch(
                f"{self.path} was changed while it was being read; start again when it is finished"
            )


class Digests:
    """The digests of everything that was read through `read`.

    They are worked out on a thread, beside whoever looks at the block that was read. MD5 takes
    more than twice the time of SHA-256, and is left out where nobody asks for it.
    """

    def __init__(self, stream: BinaryIO, *, with_md5: bool = True) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
        self._thread = ThreadPoolExecutor(1, "digests")  # which ends with this object
        self._working: deque[Future[None]] = deque()

    def read(self, size: int = _BLOCK, /) -> bytes:
        """Return the next bytes of the stream, none at its end."""
        block = self._stream.read(size)
        if len(block) < _WORTH_A_THREAD:
            self._finish()
            self._update(block)
        else:
            self._finish(_AHEAD - 1)
            self._working.append(self._thread.submit(self._update, block))
        return block

    def _update(self, block: bytes) -> None:
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)

    def _finish(self, but: int = 0) -> None:
        """Wait until all blocks have been worked on, but for the last few."""
        while len(self._working) > but:
            self._working.popleft().result()

    def read_all(self) -> None:
        """Read to the end of the stream."""
        while self.read():
            pass

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal."""
        self._finish()
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """MD5 in hexadecimal: how DVC knows a file. None where it is left out."""
        self._finish()
        return None if self._md5 is None else self._md5.hexdigest()


def require_column(name: str, columns: Sequence[str], where: str) -> None:
    """Check that there is exactly one column of a name.

    Raises:
        InvalidData: there is none, or more than one.
    """
    if columns.count(name) != 1:
        problem = "stands there twice" if name in columns else "is not there"
        raise InvalidData(f"{where}: column {name!r} {problem}")
