"""An input file that is read several times and must not change in between."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from domain.errors import ChecksumMismatch, InvalidData, NotFound, Unavailable

_BLOCK = 4 << 20
_MIN_BYTES_FOR_THREAD = 1 << 20
_MAX_BLOCKS = 3  # in memory


@dataclass(slots=True)
class WatchedFile:
    """A local file. Size and modification time must stay those of the first access."""

    path: Path
    _first_state: tuple[int, int] | None = field(default=None, repr=False)

    @contextmanager
    def unchanged(self) -> Iterator[Path]:
        """Yield the path; check before and afterwards that the file is unchanged.

        Raises:
            NotFound: there is no such file.
            Unavailable: it cannot be read.
            ChecksumMismatch: it was changed after the first access.
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
        state = (status.st_size, status.st_mtime_ns)
        if self._first_state is None:
            self._first_state = state
        elif self._first_state != state:
            raise ChecksumMismatch(
                f"{self.path} was changed while it was being read; start again when it is finished"
            )


class Digests:
    """SHA-256 and MD5 of the bytes that were read through `read`.

    A thread computes them while the caller processes the block. MD5 takes more than twice the
    time of SHA-256; without `with_md5` it is not computed.
    """

    def __init__(self, stream: BinaryIO, *, with_md5: bool = True) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
        self._thread = ThreadPoolExecutor(1, "digests")  # ends with this object
        self._pending: deque[Future[None]] = deque()

    def read(self, size: int = _BLOCK, /) -> bytes:
        """Return the next bytes of the stream; empty at its end."""
        block = self._stream.read(size)
        if len(block) < _MIN_BYTES_FOR_THREAD:
            self._finish()
            self._update(block)
        else:
            self._finish(_MAX_BLOCKS - 1)
            self._pending.append(self._thread.submit(self._update, block))
        return block

    def _update(self, block: bytes) -> None:
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)

    def _finish(self, remaining: int = 0) -> None:
        """Wait until at most `remaining` blocks are pending."""
        while len(self._pending) > remaining:
            self._pending.popleft().result()

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
        """MD5 in hexadecimal, by which DVC identifies a file; None if it is not computed."""
        self._finish()
        return None if self._md5 is None else self._md5.hexdigest()


def require_columns(names: Iterable[str], columns: Sequence[str], where: str) -> None:
    """Check that exactly one column has each of these names.

    Raises:
        InvalidData: none has it, or several have.
    """
    for name in names:
        if columns.count(name) != 1:
            problem = "has several columns" if name in columns else "has no column"
            raise InvalidData(f"{where} {problem} {name!r}")
