"""A file that a batch job writes, chunk by chunk, and that appears when all of it is there."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adapters.arrow.formats import FORMATS, Format, concatenate
from application.ports import Sealed
from domain.batch import BatchJob, ChunkReceipt, Reject
from domain.errors import InvalidData, Misconfigured, Unavailable
from domain.table import Table


@dataclass(frozen=True, slots=True)
class _Part:
    """Where one chunk lies until the job is sealed. It counts once its receipt is there."""

    folder: Path
    index: int

    @property
    def rows(self) -> Path:
        return self.folder / f"{self.index:06d}.rows"

    @property
    def rejects(self) -> Path:
        return self.folder / f"{self.index:06d}.rejects"

    @property
    def receipt(self) -> Path:
        return self.folder / f"{self.index:06d}.json"


class FileSink:
    """Writes a CSV, Parquet or JSON Lines file, by its suffix.

    Chunks are kept in a hidden directory beside the output until the job is sealed, so that an
    interrupted job goes on where it stopped. The same job always gives the same bytes.
    """

    def __init__(self, path: Path) -> None:
        """Name the output; nothing is written yet.

        Raises:
            Misconfigured: the suffix is not that of a format that can be written.
        """
        self._path = path
        self._format = _format_of(path)

    def completed(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        if self._path.is_dir():
            raise Unavailable(f"{self._path} is a directory; name a file to write")
        with _written(self._path):
            folder = self._folder(job)
            parts = [_Part(folder, int(path.stem)) for path in folder.glob("[0-9]*.json")]
            found = [_read_receipt(part) for part in parts]
        return {receipt.index: receipt for receipt in found if receipt is not None}

    def write(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        part = _Part(self._folder(job), index)
        receipt = ChunkReceipt(index, len(table), len(rejects))
        rows = self._format.encode(table)
        lines = b"".join(_json_line(reject.to_mapping()) for reject in rejects)
        with _written(self._path):
            part.folder.mkdir(parents=True, exist_ok=True)
            part.receipt.unlink(missing_ok=True)
            kept = {
                "scored": receipt.scored,
                "rejected": receipt.rejected,
                "bytes": [len(rows), len(lines)],
            }
            for path, content in (
                (part.rows, rows),
                (part.rejects, lines),
                (part.receipt, _json_line(kept)),
            ):
                with _replacing(path, part.folder) as stream:
                    stream.write(content)
        return receipt

    def seal(self, job: BatchJob, chunks: int) -> Sealed:
        if not chunks:
            raise InvalidData(f"{self._path}: there are no rows to write")
        lacking = sorted(set(range(chunks)) - set(self.completed(job)))
        if lacking:
            raise Unavailable(
                f"{self._path}: chunk {lacking[0]} of {chunks} is not written; run the same again"
            )
        folder = self._folder(job)
        parts = [_Part(folder, index) for index in range(chunks)]
        rejects = self._path.with_name(f"{self._path.name}.rejects.jsonl")
        with _written(self._path):
            if any(part.rejects.stat().st_size for part in parts):
                with _replacing(rejects, folder) as stream:
                    concatenate([part.rejects for part in parts], stream)
            else:
                rejects.unlink(missing_ok=True)
            with _replacing(self._path, folder) as stream:
                self._format.merge([part.rows for part in parts], stream)
            shutil.rmtree(folder)
        return Sealed(str(self._path), str(rejects) if rejects.exists() else None)

    def _folder(self, job: BatchJob) -> Path:
        return self._path.with_name(f".{self._path.name}.{job.id}.parts")


def _format_of(path: Path) -> Format:
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise Misconfigured(
            f"{path}: the suffix must be one of {', '.join(FORMATS)} to be written"
        ) from None


def _json_line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _read_receipt(part: _Part) -> ChunkReceipt | None:
    """Return the receipt of a chunk; None where it is not there, or not all of the chunk is."""
    try:
        kept = json.loads(part.receipt.read_bytes())
        whole = kept["bytes"] == [part.rows.stat().st_size, part.rejects.stat().st_size]
        return ChunkReceipt(part.index, kept["scored"], kept["rejected"]) if whole else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Say what to do when a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror or error}; mend that and run the same "
            f"again, or name another place: what is finished is kept"
        ) from error


@contextmanager
def _replacing(path: Path, folder: Path) -> Iterator[BinaryIO]:
    """Open a file in a folder that takes its name, safely on disk, on leaving without an error."""
    temporary = folder / f"{path.name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
