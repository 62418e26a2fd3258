"""A folder that a batch job writes: one file per chunk, all visible at once."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.output_formats import FORMATS, Format, Piece, format_of
from adapters.arrow.writing.receipts import Content
from adapters.files.atomic_writes import replacing, sync_folder
from domain.errors import Conflict
from domain.scoring.batch_job import BatchJob

PARQUET = ".parquet"
_FILE = re.compile(rf"part-[0-9]{{5,}}({'|'.join(map(re.escape, FORMATS))})")
_FOLDER = re.compile(r"[^=]+=.*", re.DOTALL)


class FolderSink(FileSink):
    """Writes `part-00000.parquet` and so on into a folder, otherwise as `FileSink` does.

    All files have the format of the suffix, and the same types. Rejects and receipt lie beside
    the folder.
    """

    def __init__(self, path: Path, suffix: str = PARQUET, *, sent: bool = False) -> None:
        """Name the folder, and the format of what will be in it; otherwise as `FileSink`."""
        self._suffix = suffix
        super().__init__(path, sent=sent)

    def __reduce__(self) -> tuple[Callable[..., "FolderSink"], tuple[Any, ...]]:
        return partial(type(self), sent=True), (self._path, self._suffix)

    @property
    def _layout(self) -> tuple[str, ...]:
        """What decides on the files beside the job; nothing where all is as usual."""
        return () if self._suffix == PARQUET else (self._suffix,)

    def _files(self, parts: Sequence[Path]) -> Mapping[str, Sequence[Piece]]:
        """Return the files to make, by their names in the folder, and what is to be in them."""
        return {
            f"part-{index:05d}{self._suffix}": [Piece(part)] for index, part in enumerate(parts)
        }

    def _choose_format(self) -> Format:
        return format_of(self._suffix, self._path)

    def _key(self, job: BatchJob) -> str:
        if not self._layout:
            return job.id
        return sha256("\0".join([job.id, *self._layout]).encode()).hexdigest()[:16]

    def _require_replaceable(self) -> None:
        """Check that nothing of somebody else's would be replaced."""
        if not self._path.exists():
            return
        is_folder = self._path.is_dir()
        others = sorted(
            each.relative_to(self._path if is_folder else self._path.parent).as_posix()
            for each in (self._path.rglob("*") if is_folder else [self._path])
            if not (_FOLDER if each.is_dir() else _FILE).fullmatch(each.name)
        )
        if others:
            raise Conflict(
                f"{self._path}/ would be replaced, and {others[0]!r} is not of an earlier output; "
                f"name a folder that is not there yet"
            )

    def _put_output(self, rows: Sequence[Path], folder: Path) -> Content:
        made, earlier = folder / "made", folder / "earlier"
        for each in (made, earlier):
            shutil.rmtree(each, ignore_errors=True)
        made.mkdir()
        files = self._files(rows)
        merge = self._format.merging([piece for pieces in files.values() for piece in pieces])
        for name, pieces in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(made / name, folder) as stream:
                merge(pieces, stream)
        for each in (made, *(each for each in made.rglob("*") if each.is_dir())):
            sync_folder(each)
        content = Content.of_folder(made)
        self._require_replaceable()
        if self._path.exists():
            self._path.rename(earlier)
        made.rename(self._path)
        sync_folder(self._path.parent)
        return content
