"""Which files an output consists of: a single file, or a folder with a file per chunk."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from adapters.arrow.writing.output_formats import FORMATS, ByteRange, OutputFormat
from adapters.arrow.writing.receipts import FileContent
from adapters.files.atomic_writes import replacing, sync_folder
from domain.data.table import Table
from domain.errors import Conflict, Unavailable
from domain.scoring.batch_job import BatchJob

PARQUET = ".parquet"
_FILE = re.compile(rf"part-[0-9]{{5,}}({'|'.join(map(re.escape, FORMATS))})")
_FOLDER = re.compile(r"[^=]+=.*", re.DOTALL)


class OutputLayout(Protocol):
    """How the chunks of a job become the files of its output. Picklable."""

    @property
    def path(self) -> Path:
        """The file or folder to publish."""
        ...

    def key(self, job: str) -> str:
        """Return a name for the chunks of a job, which differs between layouts."""
        ...

    def require_writable(self, job: BatchJob) -> None:
        """Check that the layout fits the job, and that it would only replace an earlier output.

        Raises:
            Misconfigured: the job does not keep a column that the layout needs.
            Conflict, Unavailable: something else is at the path.
        """
        ...

    def encode(self, table: Table) -> bytes:
        """Return the rows of a chunk as `assemble` reads them."""
        ...

    def assemble(self, chunks: Sequence[Path], temporary: Path) -> FileContent:
        """Replace the output by the rows of all chunks; `temporary` is a folder on that disk."""
        ...


@dataclass(frozen=True, slots=True)
class SingleFileLayout:
    """One file."""

    path: Path
    format: OutputFormat

    def key(self, job: str) -> str:
        return job

    def require_writable(self, job: BatchJob) -> None:  # noqa: ARG002
        if self.path.is_dir():
            raise Unavailable(f"{self.path} is a directory; name a file to write")

    def encode(self, table: Table) -> bytes:
        return self.format.encode(table)

    def assemble(self, chunks: Sequence[Path], temporary: Path) -> FileContent:
        ranges = [*map(ByteRange, chunks)]
        merge = self.format.merger(ranges)
        return publish_file(self.path, temporary, lambda stream: merge(ranges, stream))


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """A folder of `part-00000.parquet` and so on, one file per chunk, all with the same types.

    Rejects and receipt are next to the folder.
    """

    path: Path
    format: OutputFormat

    def key(self, job: str) -> str:
        suffix = self.format.suffix
        return job if suffix == PARQUET else layout_key(job, suffix)

    def require_writable(self, job: BatchJob) -> None:  # noqa: ARG002
        require_output_folder(self.path)

    def encode(self, table: Table) -> bytes:
        return self.format.encode(table)

    def assemble(self, chunks: Sequence[Path], temporary: Path) -> FileContent:
        files = {
            f"part-{index:05d}{self.format.suffix}": [ByteRange(chunk)]
            for index, chunk in enumerate(chunks)
        }
        return publish_folder(self.path, temporary, self.format, files)


def layout_key(job: str, *options: str) -> str:
    """Return 16 hexadecimal digits that identify a job and the options of a layout."""
    return sha256("\0".join([job, *options]).encode()).hexdigest()[:16]


def publish_file(path: Path, temporary: Path, fill: Callable[[BinaryIO], None]) -> FileContent:
    """Replace the content of a file atomically; return the new content."""
    with replacing(path, temporary) as stream:
        fill(stream)
        stream.flush()
        return FileContent.of(stream)


def publish_folder(
    path: Path,
    temporary: Path,
    output_format: OutputFormat,
    files: Mapping[str, Sequence[ByteRange]],
) -> FileContent:
    """Replace a folder of outputs by one with these files; return the new content."""
    made, earlier = temporary / "made", temporary / "earlier"
    for each in (made, earlier):
        shutil.rmtree(each, ignore_errors=True)
    made.mkdir()
    merge = output_format.merger([each for ranges in files.values() for each in ranges])
    for name, ranges in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(made / name, temporary) as stream:
            merge(ranges, stream)
    for each in (made, *(each for each in made.rglob("*") if each.is_dir())):
        sync_folder(each)
    content = FileContent.of_folder(made)
    require_output_folder(path)
    if path.exists():
        path.rename(earlier)
    made.rename(path)
    sync_folder(path.parent)
    return content


def require_output_folder(path: Path) -> None:
    """Check that a folder holds nothing but files and partitions of an output.

    Raises:
        Conflict: it holds something else; names one file.
    """
    if not path.exists():
        return
    is_folder = path.is_dir()
    others = sorted(
        each.relative_to(path if is_folder else path.parent).as_posix()
        for each in (path.rglob("*") if is_folder else [path])
        if not (_FOLDER if each.is_dir() else _FILE).fullmatch(each.name)
    )
    if others:
        raise Conflict(
            f"{path}/ would be replaced, but {others[0]!r} is not part of an earlier output; "
            f"name a folder that does not exist"
        )
