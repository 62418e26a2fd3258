"""Input that can be read only once: copied to a temporary file, whose suffix shows its format."""

import shutil
from collections.abc import Callable
from pathlib import Path

from adapters.arrow.reading.compressed_file import MAGIC, blocks, disk_errors
from adapters.files.temporary_folders import temporary_folder
from domain.errors import NotFound


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or an open file of this process, such as `/dev/stdin`."""
    return str(path).startswith(("/dev/", "/proc/")) or path.is_fifo()


def copied(path: Path, suffix: str) -> tuple[Path, Callable[[], None]]:
    """Return a copy of a stream, and the function that removes it.

    Without a `suffix` the content decides: Parquet, JSON Lines, a JSON array or CSV, each also
    compressed.

    Raises:
        NotFound: the stream cannot be opened.
        Unavailable: the disk is full.
    """
    with disk_errors(path):
        folder, remove = temporary_folder("stream")
    content = folder / "content"
    try:
        stream = path.open("rb")
    except OSError as error:
        remove()
        raise NotFound(f"{path} cannot be opened: {error.strerror}") from error
    with disk_errors(path), stream, content.open("wb") as target:
        shutil.copyfileobj(stream, target)
    return content.rename(folder / f"content{suffix or _suffix_of(content)}"), remove


def _suffix_of(content: Path) -> str:
    with content.open("rb") as stream:
        head = stream.read(4)
        if head == b"PAR1":
            return ".parquet"
        compression = next((s for s, magic in MAGIC.items() if head.startswith(magic)), "")
        stream.seek(0)
        head = next(blocks(stream, Path(f"content{compression}")), b"")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return {b"{": ".jsonl", b"[": ".json"}.get(first, ".csv") + compression
