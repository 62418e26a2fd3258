"""A cache of downloaded files, which continues an interrupted transfer.

FOLDER/NAME        a complete file
FOLDER/NAME.part   the received part of a transfer
….tag              the version of the content of either, as the server names it
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from adapters.files.atomic_writes import os_errors_as_unavailable
from adapters.files.locks import locked

_UNSAFE = re.compile(r"[^\w.-]")


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file in the cache, and the received part of a new one."""

    path: Path

    @property
    def part(self) -> Path:
        """The file that receives a transfer."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def tag(self) -> str | None:
        """The version of the complete file; None if there is no complete file with a tag."""
        return _read_tag(self.path)

    @property
    def part_tag(self) -> str | None:
        """The version of the content that the part belongs to; None if there is no part."""
        return _read_tag(self.part)

    def start(self, tag: str) -> None:
        """Remove the part, and record the version of the content that is transferred now."""
        self.discard()
        _tag_file(self.part).write_text(tag)

    def discard(self) -> None:
        """Remove the part."""
        self.part.unlink(missing_ok=True)
        _tag_file(self.part).unlink(missing_ok=True)

    def complete(self) -> None:
        """Make the part the complete file."""
        _tag_file(self.path).unlink(missing_ok=True)
        self.part.replace(self.path)
        _tag_file(self.part).replace(_tag_file(self.path))


@contextmanager
def cached_file(cache_dir: Path, key: str, name: str) -> Iterator[CachedFile]:
    """Yield the file of a key, locked against every other thread and process.

    Raises:
        Unavailable: the cache cannot be written.
    """
    folder = cache_dir / key
    with os_errors_as_unavailable(cache_dir), locked(folder / ".lock"):
        yield CachedFile(folder / name)


def safe_file_name(name: str) -> str:
    """Return a name that every file system allows, with the same suffix."""
    return _UNSAFE.sub("_", name)[-100:].lstrip(".") or "file"


def url_without_secrets(url: str) -> str:
    """Return a URL without user, password and query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _tag_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.tag")


def _read_tag(path: Path) -> str | None:
    tag = _tag_file(path)
    return tag.read_text() if path.exists() and tag.exists() else None
